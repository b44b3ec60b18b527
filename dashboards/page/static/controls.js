// The controls: each filters all visuals of the dashboards that have it.
"use strict";

const controls = (() => {
  const held = window.trafficlakeData;
  const { element } = tables;

  const daysOf = (all) => [...new Set(all.flatMap((cube) => cube.dimensions[cube.date]?.days ?? []))].filter(Boolean).sort();
  const days = daysOf(Object.values(held.cubes));
  // History that arrived late has arrival hours long after its days: the latest day is one of traffic.
  const ofTraffic = daysOf(Object.values(held.cubes).filter((cube) => held.datasets[cube.dataset].reliability));
  const latest = ofTraffic.at(-1) ?? days.at(-1);

  // The days that a dashboard's control leaves, {from, to} as ISO text, "" for no bound: those that a person has chosen,
  // or else its default.
  function daysLeft(control, state) {
    const isChosen = state.from || state.to || state.allDays;
    if (isChosen || !control.default_days || !latest) return { from: state.from, to: state.to };
    return { from: cells.daysEarlier(latest, control.default_days - 1), to: latest };
  }

  // Shows in the control the days that it leaves.
  function showDays(control, state) {
    const { from, to } = daysLeft(control, state);
    document.getElementById("control-from").value = from || days[0];
    document.getElementById("control-to").value = to || days.at(-1);
  }

  // Builds the controls of a dashboard as `state` is; `changed` is called when a person has changed it, and has to call
  // showDays.
  function build(dashboard, state, changed) {
    const place = document.getElementById("controls");
    place.replaceChildren(...dashboard.controls.map((control) => {
      if (control.kind === "date_range") return dateControl(control, state, changed);
      return control.kind === "choice" ? choiceControl(control, state, changed) : leaveOutControl(control, state, changed);
    }));
    const clear = element("button", { type: "button", id: "clear" }, "Clear all filters");
    clear.addEventListener("click", () => {
      Object.assign(state, { from: "", to: "", allDays: false, choices: {}, leaveOut: new Set() });
      build(dashboard, state, changed);
      changed();
      document.getElementById("clear").focus();
    });
    place.append(clear);
  }

  function dateControl(control, state, changed) {
    const choose = (from, to) => {
      Object.assign(state, { from, to, allDays: !from && !to });
      changed();
    };
    const input = (name) => {
      const made = element("input", { type: "date", min: days[0], max: days.at(-1), id: `control-${name}` });
      made.addEventListener("change", () => {
        if (made.value) choose(from.value, to.value);  // half a date is none yet
      });
      made.addEventListener("blur", () => showDays(control, state));  // who leaves it so has chosen no other day
      return made;
    };
    const [from, to] = [input("from"), input("to")];
    const shortcut = (title, bounds) => {
      const button = element("button", { type: "button", disabled: !latest }, title);
      button.addEventListener("click", () => choose(...bounds()));
      return button;
    };
    const earlier = (count) => cells.daysEarlier(latest, count);
    const shortcuts = [
      shortcut("latest day", () => [latest, latest]),
      shortcut("day before", () => [earlier(1), earlier(1)]),
      shortcut("latest 7 days", () => [earlier(6), latest]),
      shortcut("all days", () => ["", ""]),
    ];
    return element("fieldset", { title: control.description }, element("legend", {}, control.title),
      element("label", {}, "from ", from), element("label", {}, "to ", to), element("span", { class: "shortcuts" }, ...shortcuts));
  }

  function choiceControl(control, state, changed) {
    const values = new Set();
    for (const cube of Object.values(held.cubes)) {
      for (const value of cube.dimensions[control.column]?.values ?? []) values.add(String(value));
    }
    for (const value of state.choices[control.id] ?? []) values.add(value);
    const legend = element("summary");
    const says = () => {
      const chosen = state.choices[control.id] ?? new Set();
      const which = chosen.size === 0 ? "all" : chosen.size <= 2 ? [...chosen].join(", ") : `${chosen.size} chosen`;
      legend.textContent = `${control.title}: ${which}`;
    };
    const boxes = [...values].sort().map((value) => {
      const box = element("input", { type: "checkbox", value, checked: state.choices[control.id]?.has(value) });
      box.addEventListener("change", () => {
        const chosen = (state.choices[control.id] ??= new Set());
        if (box.checked) chosen.add(value);
        else chosen.delete(value);
        says();
        changed();
      });
      return element("label", {}, box, ` ${value}`);
    });
    says();
    const choices = element("fieldset", {}, element("legend", {}, control.description), ...(boxes.length ? boxes : ["none known"]));
    const made = element("details", { class: "choice", id: `control-${control.id}` }, legend, choices);
    made.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !made.open) return;
      made.open = false;
      legend.focus();
    });
    return made;
  }

  function leaveOutControl(control, state, changed) {
    const box = element("input", { type: "checkbox", id: `control-${control.id}`, checked: state.leaveOut.has(control.id) });
    box.addEventListener("change", () => {
      if (box.checked) state.leaveOut.add(control.id);
      else state.leaveOut.delete(control.id);
      changed();
    });
    return element("label", { class: "leave-out", title: control.description }, box, ` ${control.title}`);
  }

  return { build, daysLeft, showDays };
})();
