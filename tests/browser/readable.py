"""Scripts that find what a person could not read on a page."""

FAINT = """() => {
  const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  const over = (color, ground) => {
    pen.fillStyle = `rgb(${ground})`; pen.fillRect(0, 0, 1, 1); pen.fillStyle = color; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const ground = element => {
    const above = element.parentElement ? ground(element.parentElement)
      : getComputedStyle(element).colorScheme.includes('dark') && matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18]
      : [255, 255, 255];
    return over(getComputedStyle(element).backgroundColor, above);
  };
  const light = color => color.map(part => part / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
  const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const found = [];
  const judge = (text, color, element) => {
    const below = ground(element), ratio = contrast(over(color, below), below);
    if (ratio < (text.trim().length > 1 ? 4.5 : 3)) found.push(`${ratio.toFixed(2)} ${color} on ${below}: ${text.trim().slice(0, 40)}`);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest('script, style, svg') || !element.checkVisibility()) continue;
    judge(texts.currentNode.data, getComputedStyle(element).color, element);
  }
  const chart = document.querySelector('#charts'), current = getComputedStyle(chart).color;
  const walk = mark => mark.items.forEach(item => {
    if (mark.marktype === 'group') (item.items || []).forEach(walk);
    if (mark.marktype !== 'text' || !(item.opacity ?? 1) || !item.text) return;
    judge(String(item.text), item.fill === 'currentColor' ? current : item.fill, chart);
  });
  if (window.view) walk(view.scenegraph().root);
  return [...new Set(found)];
}"""
"""Return the texts whose contrast with what is behind them is below 4.5, single signs below 3: WCAG 2.2, level AA."""

COVERED = """() => {
  const shown = [...document.querySelectorAll('h1, h2, h3, p, li, pre, table, figure, summary, label, input, canvas, #charts > svg')]
    .filter(one => one.checkVisibility()).map(one => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width && box.height);
  const found = [];
  const floats = one => one && (['sticky', 'fixed'].includes(getComputedStyle(one).position) || floats(one.parentElement));
  shown.forEach(([a, one], k) => shown.slice(k + 1).forEach(([b, other]) => {
    if (a.contains(b) || b.contains(a) || [a, b].some(floats)) return;
    const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    if (across > 1 && down > 1) found.push(`${a.tagName} ${a.innerText?.slice(0, 30)} / ${b.tagName} ${b.innerText?.slice(0, 30)}`);
  }));
  return found;
}"""
"""Return the pairs of elements that cover each other, but for what sticks to the edge of the window."""
