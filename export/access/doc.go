// Package access says who may ask the service: a handler gets a Principal (a workspace, by one of
// its keys) or a *Refusal, which says what the person who asked can do. It knows no query, no
// format and no page.
//
// What it promises:
//
//   - A request passes with a valid credential only: a key, a session or a link. What does not
//     exist, has ended or was changed is refused alike. A session and a link stand for the key that
//     they were made with, share its limits, and end with it.
//   - A revoked key is refused by every process within a second. A session that was signed out is
//     refused by every process from the answer to the sign-out on.
//   - Keys are stored as salted hashes. Sessions and links are not stored; they are signed with the
//     service's secret, whole.
//   - Clients cost the database no query per request, whatever keys they send, but one per request
//     with a session.
//
// # Clocks
//
// Hosts' clocks may differ. The end of a key, of a session and of a download link comes earlier or
// later between two hosts by as much as their clocks differ; it is a limit for what nobody revoked.
// A revocation rests on no clock: a row that says revoked wins by its rank (keys.go). The rate
// limit and the cache of keys measure time within one process, by its monotonic clock.
//
// gate.go is what handlers call. authenticate.go reads keys, session.go the page's cookies,
// links.go signed addresses; keys.go and keyreads.go are the table of keys, signout.go that of
// ended sessions; limit.go counts; expiring.go warns before a last key ends.
package access
