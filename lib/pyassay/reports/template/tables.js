// Tables that sort by a click on a column's head; long ones get a field to filter their rows.
(() => {
  const collator = new Intl.Collator('en', {numeric: true, sensitivity: 'base'});
  const number = text => {
    const value = parseFloat(text.replace(/,/g, '').replace('−', '-'));
    return isNaN(value) ? -Infinity : value;
  };
  for (const table of document.querySelectorAll('.pa-table table')) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    if (body.rows.length < 3) continue;
    const initial = [...body.rows];
    heads.forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const now = head.getAttribute('aria-sort');
        const next = now === 'ascending' ? 'descending' : now === 'descending' ? '' : 'ascending';
        heads.forEach(other => other.removeAttribute('aria-sort'));
        let rows = [...initial];
        if (next) {
          head.setAttribute('aria-sort', next);
          const key = row => row.cells[column].textContent.trim();
          const numeric = head.classList.contains('n');
          const compare = numeric ? (a, b) => number(key(a)) - number(key(b)) : (a, b) => collator.compare(key(a), key(b));
          rows.sort(next === 'ascending' ? compare : (a, b) => compare(b, a));
        }
        body.append(...rows);
      });
    });
    if (initial.length > 15) {
      const label = document.createElement('label');
      const field = document.createElement('input');
      const count = document.createElement('span');
      label.className = 'filter';
      count.setAttribute('role', 'status');
      field.type = 'search';
      label.append('Filter rows ', field, count);
      field.addEventListener('input', () => {
        const words = field.value.toLowerCase().split(/\s+/);
        let left = 0;
        for (const row of initial) {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every(word => text.includes(word));
          left += !row.hidden;
        }
        count.textContent = field.value ? ` ${left} of ${initial.length}` : '';
      });
      if (table.caption) table.caption.append(label);
      else table.parentElement.before(label);
    }
  }
  // A link into a folded part opens it; so does printing, which cannot.
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let part = target; part; part = part.parentElement) if (part.tagName === 'DETAILS') part.open = true;
  };
  addEventListener('hashchange', reveal);
  reveal();
  if (matchMedia('(max-width: 64rem)').matches) document.querySelector('nav.contents details')?.removeAttribute('open');
})();
