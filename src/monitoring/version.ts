/** The version of this build: `version` of package.json. A contract test holds the two together. */
export const VERSION = '0.1.0';
