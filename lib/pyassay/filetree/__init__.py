"""Everything that holds files, read through one interface: streamed, bounded, nothing unpacked to disk."""

from pyassay.filetree.model import FileTree, FileTreeError, Limits, Member, Refused
from pyassay.filetree.tree import open_tree

__all__ = ["FileTree", "FileTreeError", "Limits", "Member", "Refused", "open_tree"]
