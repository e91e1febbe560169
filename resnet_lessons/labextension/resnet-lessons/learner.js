/* What JupyterLab has no setting for, as one of its prebuilt extensions, written by hand: no build, no npm.
 *
 * JupyterLab loads this file, and asks the container that it finds under the package's name for a module. Everything here
 * is public API; where a later JupyterLab has it no more, that comfort is missing, and nothing else.
 */
(() => {
  const NARROW = 1000; // pixels: below, a notebook beside the list of files has too little room for its outputs
  const START = "Start.md";

  // A printed table that does not fit scrolls; by default it is broken within words, and its columns are lost. A link in a
  // sentence is underlined; by default its colour alone tells it.
  const STYLE = `
    .jp-RenderedHTMLCommon.jp-RenderedMarkdown :is(p, li, td) a:any-link { text-decoration: underline; }
    .jp-RenderedText[data-mime-type="application/vnd.jupyter.stdout"] pre,
    .jp-RenderedText[data-mime-type="text/plain"] pre { white-space: pre; word-break: normal; overflow-x: auto; }`;

  const plugin = {
    id: "resnet-lessons:learner",
    autoStart: true,
    activate: app => {
      const style = document.createElement("style");
      style.textContent = STYLE;
      document.head.append(style);

      // In a narrow window the list of files begins folded away; who unfolds it finds it so next time.
      app.shell.restored?.then(layout => {
        if (layout?.fresh && window.innerWidth < NARROW) void app.restored.then(() => app.shell.collapseLeft?.());
      });

      // The start page is written anew while one works. Its preview does not look for that; it is told on coming back.
      app.shell.currentChanged?.connect(async (_, { newValue }) => {
        const context = newValue?.context;
        if (context?.path !== START || !context.isReady || context.model.dirty) return;
        const now = await app.serviceManager.contents.get(START, { content: false });
        if (now.last_modified !== context.contentsModel?.last_modified) await context.revert();
      });
    }
  };

  const modules = { "./extension": () => ({ default: plugin, __esModule: true }) };
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["resnet-lessons"] = {
    init: () => undefined,
    get: async name => modules[name]
  };
})();
