// The controls: each filters all visuals of the dashboards that have it.
"use strict";

const controls = (() => {
  const held = window.trafficlakeData;
  const { element } = tables;

  // The controls of all dashboards, each once.
  function all() {
    const everywhere = held.dashboards.flatMap((dashboard) => dashboard.controls);
    return [...new Map(everywhere.map((control) => [control.id, control])).values()];
  }

  // Shows the controls as `state` is; `changed` is called when a person has changed it.
  function build(state, changed) {
    const place = document.getElementById("controls");
    const daysOf = (all) => [...new Set(all.flatMap((cube) => cube.dimensions[cube.date]?.days ?? []))].filter(Boolean).sort();
    const days = daysOf(Object.values(held.cubes));
    // History that arrived late has arrival hours long after its days: the latest day is one of traffic.
    const ofTraffic = daysOf(Object.values(held.cubes).filter((cube) => held.datasets[cube.dataset].reliability));
    place.replaceChildren(...all().map((control) => {
      if (control.kind === "date_range") return dateControl(control, days, ofTraffic.at(-1) ?? days.at(-1), state, changed);
      return control.kind === "choice" ? choiceControl(control, state, changed) : leaveOutControl(control, state, changed);
    }));
    const clear = element("button", { type: "button", id: "clear" }, "Clear all filters");
    clear.addEventListener("click", () => {
      Object.assign(state, { from: "", to: "", choices: {}, leaveOut: new Set() });
      build(state, changed);
      changed();
      document.getElementById("clear").focus();
    });
    place.append(clear);
  }

  function dateControl(control, days, latest, state, changed) {
    const [first, last] = [days[0] ?? "", days.at(-1) ?? ""];
    const input = (name, title) => {
      const made = element("input", { type: "date", min: first, max: last, value: state[name] || (name === "from" ? first : last), id: `control-${name}` });
      made.addEventListener("change", () => {
        state[name] = made.value;
        changed();
      });
      return [element("label", {}, `${title} `, made), made];
    };
    const [fromLabel, from] = input("from", "from");
    const [toLabel, to] = input("to", "to");
    const shortcuts = [["latest day", 1], ["latest 7 days", 7], ["all days", 0]].map(([title, count]) => {
      const button = element("button", { type: "button" }, title);
      button.addEventListener("click", () => {
        [state.from, state.to] = count && latest ? [cells.daysEarlier(latest, count - 1), latest] : ["", ""];
        from.value = state.from || first;
        to.value = state.to || last;
        changed();
      });
      return button;
    });
    return element("fieldset", { title: control.description }, element("legend", {}, control.title), fromLabel, toLabel, element("span", { class: "shortcuts" }, ...shortcuts));
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

  return { all, build };
})();
