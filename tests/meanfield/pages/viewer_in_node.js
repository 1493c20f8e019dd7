// Runs the script of a page in Node on a stand-in for the document, and prints what was drawn and what keys did.
const fs = require("fs");
const [script, data, dim] = [fs.readFileSync(process.argv[2], "utf8"), fs.readFileSync(process.argv[3], "utf8"), process.argv[4]];
let drawn = [];
const pen = new Proxy({}, {
  get: (_, name) => (...given) => drawn.push([name, ...given]),
  set: () => true,
});
function element(more) {
  const listeners = {};
  const made = {
    dataset: {}, attributes: {},
    addEventListener: (name, run) => (listeners[name] = run),
    setAttribute: (name, value) => (made.attributes[name] = value),
    fire: (name, event) => listeners[name](event),
    ...more,
  };
  return made;
}
const canvas = element({ getContext: () => pen, clientWidth: 400 });
const slider = element({ value: "0", max: String(JSON.parse(data).times.length - 1) });
const [button, output] = [element({ textContent: "Play" }), element({ textContent: "" })];
const parts = { canvas, input: slider, button, output };
const figure = element({ dataset: { source: "run" }, querySelector: (name) => parts[name] });
const colours = { "--low": "#ffffff", "--high": "#000000" };
globalThis.document = {
  documentElement: {},
  getElementById: () => ({ textContent: data }),
  querySelectorAll: () => [figure],
};
globalThis.window = globalThis;
globalThis.addEventListener = () => {};
globalThis.getComputedStyle = () => ({ getPropertyValue: (name) => colours[name] || "#123456" });
globalThis.matchMedia = () => ({ addEventListener: () => {} });
let ticking = null;
globalThis.setInterval = (run) => ((ticking = run), 7);
globalThis.clearInterval = () => (ticking = null);
new Function(script)();
const count = (name) => drawn.filter((each) => each[0] === name).length;
const numbers = () => drawn.every((each) => each.slice(1).every((v) => typeof v !== "number" || Number.isFinite(v)));
const arcs = () => JSON.stringify(drawn.filter((each) => each[0] === "arc"));
const report = { ready: figure.dataset.ready, first: output.textContent, dots: count("arc"), cells: count("fillRect"), finite: numbers() };
report.texts = drawn.filter((each) => each[0] === "fillText").map((each) => each[1]);
const before = arcs();
drawn = [];
slider.value = slider.max;
slider.fire("input", {});
report.last = output.textContent;
report.told = slider.attributes["aria-valuetext"];
report.moved = before !== arcs();
button.fire("click", {});
report.playing = button.textContent;
report.restarted = slider.value;
for (let k = 0; k < 200 && ticking; k += 1) ticking();
report.ended = [String(slider.value), button.textContent];
if (dim === "3") {
  const still = arcs();
  drawn = [];
  let stopped = false;
  canvas.fire("keydown", { key: "ArrowLeft", preventDefault: () => (stopped = true) });
  report.turned = stopped && still !== arcs();
}
console.log(JSON.stringify(report));
