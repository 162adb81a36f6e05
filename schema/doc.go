// Package schema is what an event is: the contract with the producers as types, rules and prose. It imports no sibling and talks to nobody;
// where events rest is told by schema/tables.
package schema
