// Cells: what the page holds of a dataset, filtered and added up. Pure functions; unknown is NaN throughout.
"use strict";

const cells = (() => {
  function bytes(text) {
    const letters = atob(text);
    const made = new Uint8Array(letters.length);
    for (let index = 0; index < letters.length; index += 1) made[index] = letters.charCodeAt(index);
    return made.buffer;
  }

  // A cube as data.js has it, with codes and terms as arrays of numbers.
  function decoded(cube) {
    const dimensions = {};
    for (const [name, one] of Object.entries(cube.dimensions)) {
      const Codes = one.values.length > 65536 ? Uint32Array : Uint16Array;
      dimensions[name] = { ...one, codes: new Codes(bytes(one.codes)) };
    }
    const terms = cube.terms.map((term) => ({ ...term, values: new Float64Array(bytes(term.values)) }));
    return { ...cube, dimensions, terms };
  }

  // Which values of a dimension a filter leaves; null for all. filter: {from, to, choices, leftOut, ofDays}, days as ISO
  // text; ofDays holds columns by day, for cubes that have a date and not the column.
  function allowed(cube, name, filter) {
    const one = cube.dimensions[name];
    const isDate = name === cube.date;
    const isFiltered = (column) => column in filter.choices || column in filter.leftOut;
    const ofDays = isDate ? Object.keys(filter.ofDays).filter((column) => isFiltered(column) && !(column in cube.dimensions)) : [];
    if (!isFiltered(name) && !ofDays.length && !(isDate && (filter.from || filter.to))) return null;
    const leaves = (column, value) => (filter.choices[column]?.has(value) ?? true) && !filter.leftOut[column]?.has(value);
    return one.values.map((value, code) => {
      if (!leaves(name, String(value))) return false;
      if (!isDate) return true;
      const day = one.days[code];
      if ((filter.from && day < filter.from) || (filter.to && day > filter.to)) return false;
      return ofDays.every((column) => leaves(column, filter.ofDays[column][day]));
    });
  }

  // Numbers of the cells that a filter leaves.
  function selected(cube, filter) {
    const tests = Object.keys(cube.dimensions)
      .map((name) => [cube.dimensions[name].codes, allowed(cube, name, filter)])
      .filter(([, leave]) => leave);
    const found = [];
    for (let cell = 0; cell < cube.cells; cell += 1) {
      if (tests.every(([codes, leave]) => leave[codes[cell]])) found.push(cell);
    }
    return found;
  }

  // The selected cells added up: one row for each combination of the dimensions that occurs, with its measures.
  // A row is {codes: by dimension, values: by measure}.
  function grouped(cube, selection, dimensions, measures) {
    const codes = dimensions.map((name) => cube.dimensions[name].codes);
    const sizes = dimensions.map((name) => cube.dimensions[name].values.length);
    const counted = measures.flatMap((name) => distinctColumns(cube.measures[name]));
    const groups = new Map();
    for (const cell of selection) {
      let key = 0;
      for (let index = 0; index < codes.length; index += 1) key = key * sizes[index] + codes[index][cell];
      let group = groups.get(key);
      if (!group) {
        group = { cell, sums: cube.terms.map(() => NaN), distinct: counted.map(() => new Set()) };
        groups.set(key, group);
      }
      cube.terms.forEach((term, index) => {
        group.sums[index] = merged(term.merge, group.sums[index], term.values[cell]);
      });
      counted.forEach(({ distinct, where }, index) => {
        if (where === undefined || cube.terms[where].values[cell] > 0) group.distinct[index].add(cube.dimensions[distinct].codes[cell]);
      });
    }
    return [...groups.values()].map((group) => ({
      codes: Object.fromEntries(dimensions.map((name, index) => [name, codes[index][group.cell]])),
      values: Object.fromEntries(measures.map((name) => [name, computed(cube.measures[name], group, counted)])),
    }));
  }

  function merged(how, sum, value) {
    if (Number.isNaN(value)) return sum;
    if (Number.isNaN(sum)) return value;
    return how === "sum" ? sum + value : how === "min" ? Math.min(sum, value) : Math.max(sum, value);
  }

  function computed(node, group, counted) {
    if ("number" in node) return node.number;
    if ("term" in node) return group.sums[node.term];
    if ("distinct" in node) return group.distinct[counted.indexOf(node)].size;
    const left = computed(node.left, group, counted);
    const right = computed(node.right, group, counted);
    if (node.op === "coalesce") return Number.isNaN(left) ? right : left;
    if (node.op === "/") return right === 0 ? NaN : left / right;
    return node.op === "+" ? left + right : node.op === "-" ? left - right : left * right;
  }

  // The parts of a measure that count distinct values.
  function distinctColumns(node) {
    if ("distinct" in node) return [node];
    return node.op ? [...distinctColumns(node.left), ...distinctColumns(node.right)] : [];
  }

  // The codes of a dimension that occur among the selected cells, in order.
  function occurring(cube, selection, name) {
    const { codes, values } = cube.dimensions[name];
    const seen = new Uint8Array(values.length);
    for (const cell of selection) seen[codes[cell]] = 1;
    return values.map((_, code) => code).filter((code) => seen[code]);
  }

  // Rows in the order of a measure or a dimension; rows whose measure is unknown come last.
  function ordered(rows, sort) {
    const sign = sort.descending ? -1 : 1;
    const key = (row) => (sort.by in row.codes ? row.codes[sort.by] : row.values[sort.by]);
    return [...rows].sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return sign * (a - b);
    });
  }

  // The ISO day that lies some days earlier.
  function daysEarlier(day, days) {
    const moment = new Date(`${day}T00:00:00Z`);
    moment.setUTCDate(moment.getUTCDate() - days);
    return moment.toISOString().slice(0, 10);
  }

  // The change of a mean per day (day → value) from the days a week before from..to; of days that are known in both weeks.
  function weeklyChange(byDay, from, to) {
    let [now, before, pairs] = [0, 0, 0];
    for (const [day, value] of byDay) {
      const earlier = byDay.get(daysEarlier(day, 7));
      if (day < from || day > to || earlier === undefined) continue;
      if (Number.isNaN(value) || Number.isNaN(earlier)) continue;
      now += value;
      before += earlier;
      pairs += 1;
    }
    return { share: before > 0 ? now / before - 1 : NaN, pairs };
  }

  return { decoded, selected, grouped, occurring, ordered, daysEarlier, weeklyChange };
})();
