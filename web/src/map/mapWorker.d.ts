declare module "virtual:map-worker" {
  /** The address of the map's worker. */
  const address: string;
  export default address;
}
