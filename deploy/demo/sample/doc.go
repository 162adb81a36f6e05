// Package sample makes the usage of imaginary workspaces: what a workspace product would send over
// weeks of work, as CloudEvents in both content modes.
//
// It is deterministic. The usage events of one workspace and UTC day depend on nothing but (Org,
// Users, Seed, day): producing a history twice, or again tomorrow, sends the same events again and
// changes no export. Live events carry the moment they were made in their id and are new every
// time.
//
// The people, assistants, projects, models and actions are drawn from Zipf distributions: a few do
// most of the work, as everywhere. Newcomers join, assistants and projects are renamed, some users
// and projects are deleted on the way.
package sample
