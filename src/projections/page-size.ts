/** The most rows that one page of a list has. Apart from the lists, so that the CLI reads it without the database library. */
export const MAX_PAGE = 200;
/** The rows of a page when the caller does not say. */
export const DEFAULT_PAGE_SIZE = 20;
