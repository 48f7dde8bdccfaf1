// From near by, neurons of the cortex have branches: of the cell models that they are, upright between pia and
// white matter, turned about that axis at random as in a column.

import * as THREE from "three";
import { Branches } from "./branches.js";

const [NEAREST, MOST] = [8, 48]; // neurons: the nearest to what one looks at, and others in view
const NEAR = 1.6; // mm, from which on branches begin to show; from half of it on they show fully
const STEP = 0.25; // of the distance by which one moves until others are chosen

export class Grown {
  constructor(app) {
    this.app = app;
    this.scene = new THREE.Scene();
    this.numbers = [];
    this.at = null; // where they were chosen
    app.state.on(["hidden", "rates", "slice", "at", "thick", "peel", "lasso"], () => (this.at = null));
  }

  /** Grow, when the camera rests, what is near; fade what is far. */
  look(stage, moving) {
    const { camera, controls } = stage;
    const away = camera.position.distanceTo(controls.target);
    this.scene.visible = away < NEAR && Boolean(this.app.models) && this.app.population.branched;
    if (!this.scene.visible) return;
    // neurons still come, and where the pia is, is told late
    const known = [this.app.population.n, this.app.cloud.strata, this.app.space.there].join();
    const moved = this.at?.known !== known || this.at.target.distanceTo(controls.target) > STEP * away || Math.abs(Math.log(away / this.at.away)) > STEP;
    if (moved && !moving) {
      this.at = { target: controls.target.clone(), away, known };
      this.choose(away);
    }
    if (!this.branches) return;
    const dark = this.app.dark();
    const alpha = 255 * Math.min(Math.max((2 * (NEAR - away)) / NEAR, 0), 1);
    this.numbers.forEach((i, cell) => this.branches.paint(cell, this.app.colourOf(i).map((c) => c * (dark ? 1.15 : 0.95)).map((c) => Math.min(c, 255)), alpha));
    this.branches.look(stage, 0.7);
    this.branches.fade(this.app.background(), 1.2 * away, 0.8 * away, 0.6);
  }

  /** The neurons nearest to what one looks at, and the first others around, which are a fair sample. */
  choose(away) {
    const { population, cloud } = this.app;
    const member = this.app.member();
    const { x, y, z } = this.at.target.clone().applyMatrix4(cloud.world.clone().invert());
    const p = population.position;
    const reach = ((0.5 * away + 0.1) * 1000) / population.head.places.step; // steps
    const found = [];
    for (let i = 0; i < population.n; i++) {
      const [a, b, c] = [p[4 * i] - x, p[4 * i + 1] - y, p[4 * i + 2] - z];
      if (Math.abs(a) > reach || Math.abs(b) > reach || Math.abs(c) > reach) continue;
      if (member[i] && cloud.leaves(i) && this.app.model(i) !== null) found.push([a * a + b * b + c * c, i]);
    }
    const numbers = found.sort((a, b) => a[0] - b[0]).map(([, i]) => i);
    this.grow([...numbers.slice(0, NEAREST), ...numbers.slice(NEAREST).sort((a, b) => a - b)].slice(0, MOST));
  }

  grow(numbers) {
    this.branches?.dispose();
    this.scene.clear();
    this.branches = null;
    this.numbers = numbers;
    if (numbers.length === 0) return;
    const { model, first, start, end, ends, kind } = this.app.models.arrays;
    const total = numbers.reduce((sum, i) => sum + first[model[i] + 1] - first[model[i]], 0);
    const parts = { begin: new Float32Array(3 * total), end: new Float32Array(3 * total), radius: new Float32Array(2 * total), key: new Float32Array(total) };
    const [up, right, back, place] = [0, 1, 2, 3].map(() => new THREE.Vector3());
    let s = 0;
    numbers.forEach((i, cell) => {
      const soma = this.app.cloud.worldOf(i);
      const room = this.app.space.upright(soma, up);
      right.set(up.z, up.x, up.y).cross(up).normalize(); // any direction across
      right.applyAxisAngle(up, (i * 2.399963) % (2 * Math.PI));
      back.copy(right).cross(up);
      let [tip, root] = [1e-6, 1e-6];
      for (let b = first[model[i]]; b < first[model[i] + 1]; b++) {
        tip = Math.max(tip, end[3 * b + 1] / 1000);
        root = Math.max(root, -end[3 * b + 1] / 1000);
      }
      // none leaves the cortex
      const [above, below] = [Math.min(1, room.above / tip), Math.min(1, room.below / root)];
      for (let b = first[model[i]]; b < first[model[i] + 1]; b++, s++) {
        for (const [from, to] of [[start, parts.begin], [end, parts.end]]) {
          const [a, h, d] = [from[3 * b], from[3 * b + 1], from[3 * b + 2]].map((v) => v / 1000);
          place.copy(soma).addScaledVector(right, a).addScaledVector(up, h * (h > 0 ? above : below)).addScaledVector(back, d);
          to.set(place.toArray(), 3 * s);
        }
        for (const k of [0, 1]) parts.radius[2 * s + k] = kind[b] === 1 ? 0 : ends[2 * b + k] / 1000; // a ball stands for the soma
        parts.key[s] = cell;
      }
    });
    this.branches = new Branches(parts, numbers.length);
    this.scene.add(this.branches.mesh);
  }
}
