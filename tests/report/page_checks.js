// Complaints about the page that is open: what is cut, broken, too small or on top of each other.
() => {
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
    // Upright lines do not cross level texts outside the map's own rectangles.
    for (const line of drawing.querySelectorAll("line.cut, rect.r-loss, rect.peak-band")) {
      const mark = line.getBoundingClientRect();
      if (mark.width > mark.height) continue;
      for (const [text, box] of boxes) {
        if (box.height > box.width) continue;
        if (drawing.querySelector(`.in`) && [...drawing.querySelectorAll(".in")].some((n) => n.textContent === text)) continue;
        const wide = Math.min(box.right, mark.right) - Math.max(box.left, mark.left);
        const high = Math.min(box.bottom, mark.bottom) - Math.max(box.top, mark.top);
        if (wide > 0 && high > 1) say("a line crosses a text", text);
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
