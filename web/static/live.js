// Puts what the plots' document says into the page: numbers, state, windows, gaps, colours. It decides nothing.
(() => {
  const powermon = window.powermon
  const $ = (id) => document.getElementById(id)
  const QUANTITIES = ["power", "voltage", "pf"]
  const SHARED = { gaps: "--gap", measured: "--coverage" }
  const hidden = new Set()
  let model

  const put = (element, text) => { if (element.textContent !== text) element.textContent = text }

  function ranges(plot, window, axis) {
    plot.x_range.setv({ start: window[0], end: window[1] })
    if (axis) plot.y_range.setv({ start: axis[0], end: axis[1] })
  }

  function spans(source, gaps) {
    const data = { x0: gaps.map((gap) => gap[0]), x1: gaps.map((gap) => gap[1]) }
    if (JSON.stringify(data) !== JSON.stringify(source.data)) source.data = data
  }

  function showNow() {
    const text = model.now.data.json[0]
    if (!text) return
    const now = JSON.parse(text)
    if (now.sensor !== powermon.sensor) return
    for (const quantity of QUANTITIES) ranges(model[quantity], now.window, now.axes[quantity])
    spans(model.now_gaps, now.gaps)
    for (const [key, [number, unit]] of Object.entries(now.numbers)) {
      put(document.querySelector(`[data-number="${key}"]`), number)
      put(document.querySelector(`[data-unit="${key}"]`), unit)
    }
    $("contract").hidden = !now.contract
    if (now.contract) {
      const bar = $("contract").querySelector(".meter-bar")
      bar.dataset.state = now.contract.state
      bar.firstElementChild.style.width = `${now.contract.width}%`
      put($("contract-text"), now.contract.text)
      $("contract-text").href = `/demand?sensor=${encodeURIComponent(now.sensor)}`
    }
    put($("state"), now.sentence)
    $("state").dataset.state = now.state
    put($("moment"), now.state === "never" ? now.zone : `${now.clock} · ${now.zone}`)
    put($("minute-span"), now.missing_s && now.missing_s < 60 ? say("{span}, {s} s missing", { span: now.span, s: now.missing_s }) : now.span)
    const note = now.state === "never" ? say("Nothing received from this sensor yet. It appears here within two seconds of its first post.") : ""
    put($("minute-note"), note)
    $("minute-note").hidden = !note
    document.body.dataset.live = now.state
  }

  function showPast() {
    const text = model.past.data.json[0]
    if (!text) return
    const past = JSON.parse(text)
    ranges(model.hours, past.window, past.axis)
    spans(model.past_gaps, past.gaps)
    put($("past-span"), past.span)
    put($("measured"), past.measured)
  }

  function colours() {
    const style = getComputedStyle(document.documentElement)
    const of = (name) => style.getPropertyValue(name).trim()
    for (const name of [...QUANTITIES, "hours", "coverage"]) {
      const plot = model[name]
      for (const axis of [...plot.below, ...plot.left]) axis.setv({ major_label_text_color: of("--muted") })
      for (const renderer of plot.renderers) {
        const colour = of(SHARED[renderer.name] ?? `--phase-${renderer.name}`)
        const kind = renderer.glyph.type
        if (kind === "Line") renderer.glyph.setv({ line_color: colour })
        else renderer.glyph.setv({ fill_color: colour })
      }
    }
  }

  function ticks() {
    const width = document.querySelector("main").clientWidth
    for (const name of ["pf", "coverage"]) {  // the others have no times under them
      const most = Math.floor(width / (name === "coverage" ? 90 : 110))
      model[name].below[0].ticker.setv({ desired_num_ticks: Math.max(3, Math.min(8, most)) })
    }
  }

  function phases() {
    for (const name of [...QUANTITIES, "hours"]) {
      for (const renderer of model[name].renderers) {
        if (renderer.name !== "gaps") renderer.visible = !hidden.has(renderer.name)
      }
    }
    for (const chip of document.querySelectorAll("[data-phase]")) chip.setAttribute("aria-pressed", String(!hidden.has(chip.dataset.phase)))
  }

  function choose(sensor, hours, push = true) {
    if (powermon.lost) return location.assign(`/?sensor=${encodeURIComponent(sensor)}&hours=${hours}`)
    powermon.sensor = sensor
    powermon.hours = hours
    if (push) history.pushState({ sensor, hours }, "", powermon.address(sensor))
    document.title = `${sensor} · Powermon`
    put($("sensor"), sensor)
    $("state").dataset.state = "wait"
    put($("state"), "…")
    for (const link of document.querySelectorAll("[data-hours]")) {
      link.href = `/?sensor=${encodeURIComponent(sensor)}&hours=${link.dataset.hours}`
      if (Number(link.dataset.hours) === hours) link.setAttribute("aria-current", "true")
      else link.removeAttribute("aria-current")
    }
    powermon.mark()
    if (matchMedia("(max-width: 900px)").matches) $("sensors").open = false
    model.choice.data = { sensor: [sensor], hours: [hours] }
  }

  function start(drawn, found) {
    const named = (names, place) => Object.fromEntries(names.map((name) => [name, place.get_model_by_name(name)]))
    model = {
      ...named([...QUANTITIES, "hours", "coverage", "drawn_points", "drawn_minutes", "now_gaps", "past_gaps"], drawn),
      ...named(["points", "minutes", "now", "past", "choice"], found),
    }
    powermon.model = model
    model.now.properties.data.change.connect(showNow)
    model.past.properties.data.change.connect(showPast)
    found.on_event("connection_lost", () => { powermon.lost = true })
    powermon.choose = choose
    document.documentElement.addEventListener("themechange", colours)
    for (const chip of document.querySelectorAll("[data-phase]")) {
      chip.addEventListener("click", () => {
        const phase = chip.dataset.phase
        if (!hidden.delete(phase) && hidden.size < 2) hidden.add(phase)
        phases()
      })
    }
    for (const link of document.querySelectorAll("[data-hours]")) {
      link.addEventListener("click", (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return
        event.preventDefault()
        choose(powermon.sensor, Number(link.dataset.hours))
      })
    }
    addEventListener("popstate", () => {
      const asked = new URLSearchParams(location.search)
      if (asked.get("sensor")) choose(asked.get("sensor"), Number(asked.get("hours") ?? 1), false)
      else location.reload()
    })
    addEventListener("resize", ticks)
    colours()
    ticks()
    showNow()
    showPast()
    powermon.follow(model.drawn_points, model.points)
    powermon.follow(model.drawn_minutes, model.minutes)
    sessionStorage.removeItem("reloaded")
    document.body.dataset.ready = "true"
  }

  async function begin() {
    const [drawn, found] = await Promise.all([powermon.embed(), powermon.connected("now")])
    if (found) start(drawn, found)
    else powermon.lost = true
  }
  begin()
})()
