"""What a Debian or Ubuntu system says of its packages: dpkg's database, their files, the lists of apt."""
