// Package rollup keeps the daily rollups: it turns what is in the log into rows that exports can read quickly.
package rollup
