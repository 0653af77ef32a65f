// A project's page: colours of light and dark, how many dates stand under a plot, and the wait for a run. It decides nothing.
(() => {
  const COLOURS = { usage: "--phase-A", measured: "--coverage", warmth: "--index-10", baseline: "--phase-A", reporting: "--phase-B", expected: "--muted", metered: "--phase-B", saved: "--ok" }
  const SOURCES = ["days", "baseline_points", "reporting_points", "against_days", "saved_days", "saved_band"]
  const PLOTS = ["usage_plot", "warmth_plot", "covered_plot", "model_plot", "against_plot", "saved_plot"]
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  let plots = {}

  function colours() {
    for (const plot of Object.values(plots)) {
      for (const axis of [...plot.below, ...plot.left]) axis.setv({ major_label_text_color: colour("--muted") })
      for (const mark of plot.center) if (mark.type === "Span") mark.setv({ line_color: colour("--muted") })
      for (const renderer of plot.renderers) {
        const named = COLOURS[renderer.name]
        if (!named) continue
        const isLine = ["Line", "Segment"].includes(renderer.glyph.type)
        renderer.glyph.setv(isLine ? { line_color: colour(named) } : { fill_color: colour(named) })
      }
    }
  }

  function ticks() {
    const width = document.querySelector("main").clientWidth
    for (const plot of Object.values(plots)) plot.below[0]?.ticker.setv({ desired_num_ticks: Math.max(3, Math.min(8, Math.floor(width / 110))) })
  }

  function start(found) {
    const named = (names) => Object.fromEntries(names.map((name) => [name, found.get_model_by_name(name)]).filter(([, one]) => one))
    plots = named(PLOTS)
    window.powermon.model = { ...plots, ...named(SOURCES) }
    document.documentElement.addEventListener("themechange", colours)
    addEventListener("resize", ticks)
    colours()
    ticks()
    document.body.dataset.ready = "true"
  }

  const runs = document.getElementById("runs")
  async function look(before) {
    if (!document.hidden) {
      try {
        const answer = await fetch(`/projects/${runs.dataset.project}/runs`, { signal: AbortSignal.timeout(5000) })
        const now = answer.ok ? await answer.text() : before
        if (before !== null && now !== before) return location.reload()
        before = now
      } catch { /* the banner says what does not answer */ }
    }
    setTimeout(look, 2000, before)
  }
  if (Number(runs.dataset.waiting)) look(null)

  if (document.getElementById("plots")) window.powermon.embed().then(start)
  else document.body.dataset.ready = "true"
})()
