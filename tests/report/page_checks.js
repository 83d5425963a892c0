// Complaints about the page that is open: what is cut, broken, too small or on top of each other.
async () => {
  // Animations that follow scrolling start with the first frames.
  for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
  const complaints = [];
  const say = (what, text) => complaints.push(`${what}: ${text.trim().slice(0, 60)}`);
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) say("the page scrolls sideways", `${root.scrollWidth}`);

  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.data.trim() && !node.parentElement.closest("style, title")) texts.push(node);
  }

  for (const node of texts) {
    const element = node.parentElement;
    const style = getComputedStyle(element);
    const scrolls = ["auto", "scroll"].includes(style.overflowX);
    const isHtml = element instanceof HTMLElement;
    if (isHtml && element.clientWidth && !scrolls && element.scrollWidth > element.clientWidth + 1)
      say("cut", node.data);
    if (isHtml && style.maxHeight !== "none" && element.scrollHeight > element.clientHeight + 1)
      say("cut below", node.data);
    const scale = isHtml ? 1 : element.getScreenCTM().a || element.getScreenCTM().b;
    if (parseFloat(style.fontSize) * Math.abs(scale) < 9.99) say("smaller than 10 px", node.data);
    if (!isHtml || element.closest("h1, .facts dd")) continue;
    for (const word of node.data.matchAll(/[^\s-]+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (range.getClientRects().length > 1) say("broken inside a word", word[0]);
    }
  }

  for (const drawing of document.querySelectorAll("svg")) {
    const frame = drawing.getBoundingClientRect();
    const boxes = [...drawing.querySelectorAll("text")].map((node) => [
      node.textContent,
      node.getBoundingClientRect(),
    ]);
    boxes.forEach(([text, a], index) => {
      if (a.left < frame.left - 1 || a.right > frame.right + 1) say("leaves its drawing", text);
      if (a.top < frame.top - 1 || a.bottom > frame.bottom + 1) say("leaves its drawing", text);
      for (const [other, b] of boxes.slice(0, index)) {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 1) say("texts overlap", `${text} / ${other}`);
      }
    });
    // Names inside the map's rectangles are crossed by none of the lines above these.
    for (const mark of drawing.querySelectorAll("line.cut, rect.r-loss, rect.peak-band")) {
      const area = mark.getBoundingClientRect();
      if (area.width > area.height) continue;
      const isOutline = mark.classList.contains("peak-band");
      const lines = isOutline ? [area.left, area.right] : [(area.left + area.right) / 2];
      for (const text of drawing.querySelectorAll(isOutline ? "text" : "text:not(.in)")) {
        const box = text.getBoundingClientRect();
        const high = Math.min(box.bottom, area.bottom) - Math.max(box.top, area.top);
        if (high > 1 && lines.some((x) => box.left + 1 < x && x < box.right - 1))
          say("a line crosses a text", text.textContent);
      }
    }
  }

  for (const box of document.querySelectorAll(".scroll")) {
    const isWide = box.scrollWidth > box.clientWidth + 1;
    const fade = parseFloat(getComputedStyle(box).getPropertyValue("--fade-end"));
    if (isWide !== fade > 0) say("a wrong cue for scrolling", box.ariaLabel ?? "");
  }
  return complaints;
}
