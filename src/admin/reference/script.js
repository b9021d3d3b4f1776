"use strict";
const all = (what, within = document) => [...within.querySelectorAll(what)];
const search = document.getElementById("search");
const cards = all("article").map((card) => ({ card, text: card.textContent.toLowerCase() }));
const sections = all("main > section").map((section) => {
  const about = section.querySelector(".about");
  return { section, text: about ? about.textContent.toLowerCase() : "" };
});
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (text) => words.every((word) => text.includes(word));
  let shown = 0;
  for (const { section, text } of sections) {
    const own = words.length > 0 && fits(text);
    let some = false;
    for (const { card, text } of cards) {
      if (!section.contains(card)) continue;
      card.hidden = words.length > 0 && !own && !fits(text);
      some = some || !card.hidden;
    }
    section.hidden = !some && words.length > 0 && !own;
    shown += section.hidden ? 0 : 1;
  }
  for (const link of all("nav a[href^='#']")) {
    const target = document.getElementById(link.hash.slice(1));
    link.parentElement.hidden = Boolean(target && (target.hidden || target.closest("section")?.hidden));
  }
  document.getElementById("nothing").hidden = shown > 0;
}
search.addEventListener("input", filter);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target !== search) { event.preventDefault(); search.focus(); }
  if (event.key === "Escape" && event.target === search) { search.value = ""; filter(); }
});
function open() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let place = target; place; place = place.parentElement) if (place.tagName === "DETAILS") place.open = true;
  const inner = target && target.querySelector(":scope > details");
  if (inner) inner.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", open);
for (const button of all(".sample button")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent);
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
}
const root = document.documentElement;
const theme = document.getElementById("theme");
const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
if (stored()) root.dataset.theme = stored();
theme.hidden = false;
theme.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch { /* for this visit only */ }
});
if (matchMedia("(max-width: 56rem)").matches) document.querySelector("nav > details").open = false;
open();
