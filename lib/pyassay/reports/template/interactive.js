// Draw each chart anew from its specification, for the mouse; where that fails, the drawing stays.
addEventListener('DOMContentLoaded', () => {
  if (!window.vegaEmbed) return;
  const variables = NEUTRALS;
  for (const figure of document.querySelectorAll('figure.pa-chart')) {
    const source = figure.querySelector('script.spec');
    if (!source) continue;
    const place = figure.querySelector('.drawing');
    const drawing = document.createElement('div');
    const spec = JSON.parse(source.textContent);
    delete spec.title;
    const recolour = () => drawing.querySelectorAll('[fill],[stroke]').forEach(mark => {
      for (const name of ['fill', 'stroke']) {
        const variable = variables[mark.getAttribute(name)];
        if (variable) mark.setAttribute(name, variable);
      }
    });
    // Expressions are interpreted: the page's policy allows no code from text.
    window.vegaEmbed(drawing, spec, {actions: false, renderer: 'svg', ast: true, defaultStyle: false, tooltip: {disableDefaultStyle: true}})
      .then(() => {
        recolour();
        new MutationObserver(recolour).observe(drawing, {subtree: true, childList: true, attributes: true, attributeFilter: ['fill', 'stroke']});
        const label = place.querySelector('svg title');
        drawing.setAttribute('role', 'img');
        drawing.setAttribute('aria-label', label ? label.textContent : '');
        place.replaceChildren(drawing);
        figure.classList.add('interactive');
      })
      .catch(error => console.warn(String(error)));
  }
});
