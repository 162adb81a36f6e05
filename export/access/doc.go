// Package access decides who may ask the service. A handler gets a Principal (a workspace, by one
// of its keys) or a *Refusal, which tells the person who asked what to do. The package knows no
// query, no format and no page.
//
// What it promises:
//
//   - A request passes only with a valid credential: a key, a session or a link. A credential that
//     does not exist, has ended or was changed is refused. A session and a link stand for the key
//     that they were made with: they share its limits, and end with it.
//   - Every process refuses a revoked key within a second. Every process refuses a session that was
//     signed out from the moment when the sign-out is answered.
//   - Keys are stored as salted hashes. Sessions and links are not stored: their whole text is
//     signed with the service's secret.
//   - Requests with keys and links do not cost the database a query each, whatever keys clients
//     send. A request with a session costs at most one: whether the session has ended.
//
// # Clocks
//
// Hosts' clocks may differ. The end of a key, of a session and of a download link comes earlier on
// one host than on another, by as much as their clocks differ. These ends are limits for what
// nobody revoked. A revocation depends on no clock: of a key's rows, the one that says revoked has
// the highest rank and wins (keys.go). The rate limit and the cache of keys measure time within one
// process, by its monotonic clock.
//
// Handlers call gate.go. authenticate.go reads keys, session.go the page's cookies, and links.go
// signed addresses. keys.go and keyreads.go hold the table of keys, signout.go the table of ended
// sessions. limit.go counts requests. expiring.go warns before a workspace's last key ends.
package access
