// Package sample makes the usage of imaginary workspaces: what a workspace product would send in
// weeks of work, as CloudEvents in both content modes.
//
// It is deterministic: the usage events of one workspace and UTC day depend only on (Org, Users,
// Seed, day). Producing a history twice, or again tomorrow, sends the same events again and changes
// no export. Live events are different: their ids contain the moment when they were made, so they
// are always new.
//
// People, assistants, projects, models and actions are drawn from Zipf distributions: a few do most
// of the work. During the history, new people join, assistants, projects and groups are renamed,
// people move to other departments and groups, and some users, projects and groups are deleted.
package sample
