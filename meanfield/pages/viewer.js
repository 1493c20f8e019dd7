"use strict";
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const words = (text) => new Uint16Array(bytes(text).buffer);
  const MISSING = 65535;
  const EDGE = { left: 52, right: 84, top: 12, bottom: 40 };

  function mix(low, high, share) {
    const part = (text, k) => parseInt(text.slice(1 + 2 * k, 3 + 2 * k), 16);
    return "rgb(" + [0, 1, 2].map((k) => Math.round(part(low, k) + share * (part(high, k) - part(low, k)))).join(",") + ")";
  }

  function ticks([low, high], length, each) {
    const raw = (high - low) / Math.max(2, Math.min(6, Math.floor(length / each)));
    const unit = 10 ** Math.floor(Math.log10(raw));
    const step = unit * [1, 2, 5, 10].find((m) => m * unit >= raw);
    const found = [];
    for (let k = Math.ceil(low / step); k * step <= high; k += 1) found.push(Number((k * step).toPrecision(12)));
    return found;
  }

  class Viewer {
    constructor(figure) {
      this.data = JSON.parse(document.getElementById(figure.dataset.source).textContent);
      this.canvas = figure.querySelector("canvas");
      this.pen = this.canvas.getContext("2d");
      this.slider = figure.querySelector("input");
      this.button = figure.querySelector("button");
      this.output = figure.querySelector("output");
      this.tokens = this.data.tokens && words(this.data.tokens.places);
      this.cells = this.data.density && bytes(this.data.density.shades);
      this.points = this.data.density && this.data.density.places && words(this.data.density.places);
      this.azimuth = 0.55;
      this.height = 0.45;
      this.timer = null;
      this.slider.addEventListener("input", () => this.draw());
      this.button.addEventListener("click", () => (this.timer === null ? this.play() : this.stop()));
      if (this.data.dim === 3) this.turnable();
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
      addEventListener("resize", () => this.draw());
      this.draw();
      figure.dataset.ready = "yes";
    }

    get frame() { return Number(this.slider.value); }

    play() {
      const last = Number(this.slider.max);
      if (this.frame >= last) this.slider.value = 0;
      this.button.textContent = "Pause";
      this.timer = setInterval(() => {
        if (this.frame >= last) return this.stop();
        this.slider.value = this.frame + 1;
        return this.draw();
      }, Math.max(60, Math.min(1500, 6000 / (last + 1))));
      this.draw();
    }

    stop() {
      clearInterval(this.timer);
      this.timer = null;
      this.button.textContent = "Play";
    }

    turnable() {
      const steps = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
      this.canvas.addEventListener("keydown", (event) => {
        if (!(event.key in steps)) return;
        event.preventDefault();
        this.turn(...steps[event.key]);
      });
      this.canvas.addEventListener("pointermove", (event) => {
        if (event.buttons === 1) this.turn(event.movementX * 0.01, event.movementY * 0.01);
      });
    }

    turn(sideways, upwards) {
      this.azimuth += sideways;
      this.height = Math.max(-1.5, Math.min(1.5, this.height + upwards));
      this.draw();
    }

    resize() {
      const scale = window.devicePixelRatio || 1;
      const width = this.canvas.clientWidth || 640;
      const height = Math.round(width * (this.data.dim === 1 ? 0.5 : 0.75));
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = Math.round(height * scale);
      this.pen.setTransform(scale, 0, 0, scale, 0, 0);
      this.width = width;
      this.tall = height;
    }

    frameBox() {
      let wide = this.width - EDGE.left - EDGE.right;
      let tall = this.tall - EDGE.top - EDGE.bottom;
      if (this.data.dim !== 1) {
        const [a, b] = this.data.box;
        const unit = Math.min(wide / (a[1] - a[0]), tall / (b[1] - b[0]));
        wide = unit * (a[1] - a[0]);
        tall = unit * (b[1] - b[0]);
      }
      return { x: EDGE.left, y: EDGE.top, wide, tall };
    }

    flat(box, area) {
      return (x, y) => [
        area.x + ((x - box[0][0]) / (box[0][1] - box[0][0])) * area.wide,
        area.y + area.tall - ((y - box[1][0]) / (box[1][1] - box[1][0])) * area.tall,
      ];
    }

    turned() {
      const box = this.data.box;
      const middle = box.map(([low, high]) => (low + high) / 2);
      const size = Math.hypot(...box.map(([low, high]) => high - low));
      const unit = (0.9 * Math.min(this.width, this.tall)) / size;
      const [ca, sa, ch, sh] = [Math.cos(this.azimuth), Math.sin(this.azimuth), Math.cos(this.height), Math.sin(this.height)];
      return (x, y, z) => {
        const [u, v, w] = [x - middle[0], y - middle[1], z - middle[2]];
        const across = ca * u + sa * v;
        const away = -sa * u + ca * v;
        return [this.width / 2 + unit * across, this.tall / 2 - unit * (ch * w + sh * away), ch * away - sh * w];
      };
    }

    token(k, i) {
      const { count, components } = this.data.tokens;
      const start = (k * count + i) * components;
      const place = [];
      for (let c = 0; c < components; c += 1) {
        const raw = this.tokens[start + c];
        if (raw === MISSING) return null;
        const [low, high] = this.data.box[c];
        place.push(low + (raw / (MISSING - 1)) * (high - low));
      }
      return place;
    }

    dot(x, y, radius) {
      this.pen.beginPath();
      this.pen.arc(x, y, radius, 0, 2 * Math.PI);
      this.pen.fill();
    }

    draw() {
      this.resize();
      const k = this.frame;
      this.pen.clearRect(0, 0, this.width, this.tall);
      this.pen.font = "12px system-ui, sans-serif";
      this.pen.lineWidth = 1;
      if (this.data.dim === 3) this.drawSpace(k);
      else if (this.data.dim === 1) this.drawLine(k);
      else this.drawPlane(k);
      const text = "t = " + this.data.times[k].toPrecision(4);
      this.output.textContent = text;
      this.slider.setAttribute("aria-valuetext", text);
    }

    axes(box, area, names) {
      const at = this.flat(box, area);
      this.pen.strokeStyle = css("--soft");
      this.pen.fillStyle = css("--ink");
      this.pen.strokeRect(area.x, area.y, area.wide, area.tall);
      this.pen.textAlign = "center";
      for (const x of ticks(box[0], area.wide, 55)) this.pen.fillText(String(x), at(x, 0)[0], area.y + area.tall + 15);
      this.pen.fillText(names[0], area.x + area.wide / 2, area.y + area.tall + 32);
      this.pen.textAlign = "right";
      for (const y of names[1] ? ticks(box[1], area.tall, 30) : []) this.pen.fillText(String(y), area.x - 5, at(0, y)[1] + 4);
      this.pen.save();
      this.pen.translate(11, area.y + area.tall / 2);
      this.pen.rotate(-Math.PI / 2);
      this.pen.textAlign = "center";
      this.pen.fillText(names[1], 0, 0);
      this.pen.restore();
      return at;
    }

    drawLine(k) {
      const top = this.data.density ? 1.05 * Math.max(...this.data.density.largest) : 1;
      const area = this.frameBox();
      const box = [this.data.box[0], [0, top]];
      const at = this.axes(box, area, [this.data.names[0], this.data.density ? "density" : ""]);
      if (this.data.density) {
        const edges = this.data.density.edges[0];
        const cells = edges.length - 1;
        this.pen.strokeStyle = css("--path");
        this.pen.beginPath();
        for (let i = 0; i < cells; i += 1) {
          const value = (this.cells[k * cells + i] / 255) * this.data.density.largest[k];
          this.pen.lineTo(...at(edges[i], value));
          this.pen.lineTo(...at(edges[i + 1], value));
        }
        this.pen.stroke();
      }
      this.pen.fillStyle = css("--token");
      for (let i = 0; this.data.tokens && i < this.data.tokens.count; i += 1) {
        const place = this.token(k, i);
        if (place) this.dot(...at(place[0], this.data.density ? 0.02 * top : 0.5), 3);
      }
    }

    drawPlane(k) {
      const area = this.frameBox();
      const at = this.flat(this.data.box, area);
      if (this.data.density) this.map(k, at, area);
      this.axes(this.data.box, area, this.data.names);
      this.pen.save();
      this.pen.beginPath();
      this.pen.rect(area.x, area.y, area.wide, area.tall);
      this.pen.clip();
      this.curves((place) => at(place[0], place[1]));
      this.pen.fillStyle = css("--token");
      for (let i = 0; this.data.tokens && i < this.data.tokens.count; i += 1) {
        const place = this.token(k, i);
        if (place) this.dot(...at(place[0], place[1]), 2.6);
      }
      this.pen.restore();
    }

    map(k, at, area) {
      const { edges, largest } = this.data.density;
      const [n, m] = [edges[0].length - 1, edges[1].length - 1];
      // Cells end at whole pixels of the screen: else a seam shows between neighbours of one colour.
      const scale = this.canvas.width / this.width;
      const whole = (length) => Math.round(length * scale) / scale;
      const [low, high] = [css("--low"), css("--high")];
      const shades = Array.from({ length: 256 }, (_, v) => mix(low, high, v / 255));
      for (let i = 0; i < n; i += 1) {
        for (let j = 0; j < m; j += 1) {
          const [x0, y0] = at(edges[0][i], edges[1][j]).map(whole);
          const [x1, y1] = at(edges[0][i + 1], edges[1][j + 1]).map(whole);
          this.pen.fillStyle = shades[this.cells[(k * n + i) * m + j]];
          this.pen.fillRect(x0, y1, x1 - x0, y0 - y1);
        }
      }
      const left = area.x + area.wide + 14;
      for (let v = 0; v < 256; v += 4) {
        this.pen.fillStyle = shades[v];
        this.pen.fillRect(left, area.y + area.tall * (1 - (v + 4) / 256), 14, area.tall / 64 + 0.6);
      }
      this.pen.fillStyle = css("--ink");
      this.pen.textAlign = "left";
      this.pen.fillText(largest[k].toPrecision(3), left + 18, area.y + 10);
      this.pen.fillText("0", left + 18, area.y + area.tall);
      this.pen.fillText("density", left - 2, area.y + area.tall + 15);
    }

    curves(at) {
      this.pen.strokeStyle = css("--set");
      this.pen.setLineDash([6, 4]);
      for (const curve of this.data.curves) {
        this.pen.beginPath();
        for (const place of curve) this.pen.lineTo(...at(place).slice(0, 2));
        this.pen.stroke();
      }
      this.pen.setLineDash([]);
    }

    cube(at) {
      const box = this.data.box;
      const corner = (bits) => box.map((ends, c) => ends[(bits >> c) & 1]);
      const middle = at(...box.map(([low, high]) => (low + high) / 2));
      const outside = (text, [x, y], far) => {
        const length = Math.hypot(x - middle[0], y - middle[1]) || 1;
        this.pen.fillText(text, x + (far * (x - middle[0])) / length, y + (far * (y - middle[1])) / length + 4);
      };
      // The edges that bear the names and numbers of the axes, first the lower end.
      const named = [[0, 1], [1, 3], [0, 4]];
      this.pen.textAlign = "center";
      this.pen.fillStyle = css("--ink");
      for (let from = 0; from < 8; from += 1) {
        for (let c = 0; c < 3; c += 1) {
          const to = from | (1 << c);
          if (to === from) continue;
          const [a, b] = [corner(from), corner(to)];
          const bears = named[c][0] === from && named[c][1] === to;
          this.pen.strokeStyle = css(bears ? "--soft" : "--line");
          this.pen.beginPath();
          this.pen.moveTo(...at(...a).slice(0, 2));
          this.pen.lineTo(...at(...b).slice(0, 2));
          this.pen.stroke();
          if (!bears) continue;
          const along = (share) => at(...a.map((value, d) => value + share * (b[d] - value)));
          // The numbers of two edges that end in one corner stand apart from it.
          const inset = Math.min(0.3, 24 / (Math.hypot(...[0, 1].map((d) => at(...a)[d] - at(...b)[d])) || 1));
          outside(box[c][0].toPrecision(3), along(inset), 22);
          outside(this.data.names[c], along(0.5), 22);
          outside(box[c][1].toPrecision(3), along(1 - inset), 22);
        }
      }
    }

    drawSpace(k) {
      const at = this.turned();
      const box = this.data.box;
      this.cube(at);
      this.curves((place) => at(...place));
      const dots = [];
      if (this.points) {
        const { count } = this.data.density;
        for (let i = 0; i < count; i += 1) {
          const start = (k * count + i) * 3;
          const place = [0, 1, 2].map((c) => box[c][0] + (this.points[start + c] / (MISSING - 1)) * (box[c][1] - box[c][0]));
          dots.push([...at(...place), "--path", 4, this.cells[k * count + i] / 255]);
        }
      }
      for (let i = 0; this.data.tokens && i < this.data.tokens.count; i += 1) {
        const place = this.token(k, i);
        if (place) dots.push([...at(...place), "--token", 2.8, 1]);
      }
      dots.sort((a, b) => b[2] - a[2]);
      const colours = { "--path": css("--path"), "--token": css("--token") };
      for (const [x, y, , colour, radius, opacity] of dots) {
        this.pen.globalAlpha = opacity;
        this.pen.fillStyle = colours[colour];
        this.dot(x, y, radius);
      }
      this.pen.globalAlpha = 1;
    }
  }

  for (const figure of document.querySelectorAll("[data-source]")) new Viewer(figure);
})();
