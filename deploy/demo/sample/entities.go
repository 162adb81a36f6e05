package sample

import (
	"fmt"
	"slices"
	"time"
)

type entity struct {
	Org         string    `json:"org_id"`
	Kind        string    `json:"kind"`
	ID          string    `json:"id"`
	Name        string    `json:"name,omitempty"`
	Email       string    `json:"email,omitempty"`
	Role        string    `json:"role,omitempty"`
	JoinedAt    string    `json:"joined_at,omitempty"`
	Department  string    `json:"department,omitempty"`
	Company     string    `json:"company_name,omitempty"`
	License     string    `json:"license_type,omitempty"`
	Status      string    `json:"status,omitempty"`
	GroupIDs    []string  `json:"group_ids,omitempty"`
	Description string    `json:"description,omitempty"`
	URL         string    `json:"url,omitempty"`
	Owner       string    `json:"owner_id,omitempty"`
	Deleted     bool      `json:"deleted,omitempty"`
	Settings    *Settings `json:"settings,omitempty"`
}

// entities returns the entity events up to Now, in order of time. Each describes an entity from its
// time on.
func (w *workspace) entities() []Record {
	all := []Record{
		w.entity(w.start.Add(-1000*day), entity{Kind: "workspace", ID: w.Org, Name: w.Name, Settings: w.Settings}),
	}
	for _, p := range w.users {
		for _, at := range p.places {
			all = append(all, w.entity(at.from, entity{
				Kind: "user", ID: p.id, Name: p.name, Email: p.email, Role: p.role, JoinedAt: p.joined.Format(time.DateOnly),
				Department: at.department, GroupIDs: at.groups, Company: p.company, License: p.license, Status: p.status,
			}))
		}
		all = w.ended(all, p.left, "user", p.id)
	}
	for kind, things := range map[string][]thing{
		"assistant": w.assistants, "project": w.projects, "workflow": w.flows, "api_key": w.apiKeys,
		"group": w.groups,
	} {
		for _, t := range things {
			all = append(all, w.described(kind, t.name, t.created, t))
			if !t.renamed.IsZero() {
				all = append(all, w.described(kind, t.newName, t.renamed, t))
			}
			all = w.ended(all, t.deleted, kind, t.id)
		}
	}
	all = slices.DeleteFunc(all, func(r Record) bool { return r.Time.After(w.Now) })
	slices.SortFunc(all, byTimeThenValue)
	return all
}

func (w *workspace) described(kind, name string, from time.Time, t thing) Record {
	e := entity{Kind: kind, ID: t.id, Name: name, Owner: t.owner}
	if kind == "assistant" {
		e.Description = "Answers questions about " + name
		e.URL = fmt.Sprintf("https://%s.example/assistants/%s", w.Org, t.id)
	}
	return w.entity(from, e)
}

// ended appends the deletion of an entity, if it was deleted.
func (w *workspace) ended(all []Record, at time.Time, kind, id string) []Record {
	if at.IsZero() {
		return all
	}
	return append(all, w.entity(at, entity{Kind: kind, ID: id, Deleted: true}))
}

func (w *workspace) entity(from time.Time, e entity) Record {
	e.Org = w.Org
	return directory.record(w.Org, fmt.Sprintf("%s-%s-%d", e.Kind, e.ID, from.UnixMilli()), from, e)
}
