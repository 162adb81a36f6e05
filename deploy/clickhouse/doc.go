// Package clickhouse has users.sql: the roles that the stages have on a ClickHouse server. Its
// tests show that every stage does its work with the grants of its role, and that it can do nothing
// else.
package clickhouse
