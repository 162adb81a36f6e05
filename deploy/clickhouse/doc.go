// Package clickhouse holds users.sql, the roles of the stages on a ClickHouse server, and shows
// that every stage does its work with what its role is granted, and nothing else.
package clickhouse
