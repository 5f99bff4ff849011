/** A module of the production build. */
export const importBuild = <Module>(name: string): Promise<Module> =>
  import(new URL(`../../dist/src/${name}.js`, import.meta.url).href)
