package sample

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

type message struct {
	Org          string `json:"org_id"`
	User         string `json:"user_id"`
	Channel      string `json:"channel"`
	Assistant    string `json:"assistant_id,omitempty"`
	Project      string `json:"project_id,omitempty"`
	Workflow     string `json:"workflow_id,omitempty"`
	Conversation string `json:"conversation_id,omitempty"`
	Model        string `json:"model,omitempty"`
	Client       string `json:"client,omitempty"`
	APIKey       string `json:"api_key_id,omitempty"`
}

type action struct {
	Org          string `json:"org_id"`
	User         string `json:"user_id"`
	Action       string `json:"action"`
	Conversation string `json:"conversation_id,omitempty"`
	Assistant    string `json:"assistant_id,omitempty"`
	Project      string `json:"project_id,omitempty"`
	Model        string `json:"model,omitempty"`
	Client       string `json:"client,omitempty"`
}

type token struct {
	Org           string `json:"org_id"`
	User          string `json:"user_id,omitempty"`
	APIKey        string `json:"api_key_id,omitempty"`
	Model         string `json:"model"`
	Provider      string `json:"provider,omitempty"`
	Deployment    string `json:"deployment,omitempty"`
	BYOK          bool   `json:"byok"`
	Prompt        uint32 `json:"prompt_tokens"`
	Completion    uint32 `json:"completion_tokens"`
	CachedPrompt  uint32 `json:"cached_prompt_tokens"`
	CacheCreation uint32 `json:"cache_creation_tokens"`
	Cost          string `json:"cost_usd"`
	Assistant     string `json:"assistant_id,omitempty"`
	Project       string `json:"project_id,omitempty"`
	Workflow      string `json:"workflow_id,omitempty"`
	Client        string `json:"client,omitempty"`
}

type workflowRun struct {
	Org      string `json:"org_id"`
	Workflow string `json:"workflow_id"`
	Run      string `json:"run_id"`
	Status   string `json:"status"`
	Duration uint32 `json:"duration_ms"`
	Error    string `json:"error_type,omitempty"`
	Trigger  string `json:"trigger,omitempty"`
	User     string `json:"user_id,omitempty"`
}

// turn returns what follows from one thing that somebody does: a message with its model request and
// perhaps an action, a workflow run, or a call by API key. id is unique in the workspace. The
// events depend only on id, at and r.
func (w *workspace) turn(r *rand.Rand, id string, at time.Time) []Record {
	switch p := r.IntN(100); {
	case p < 88:
		return w.message(r, id, at)
	case p < 94:
		return w.run(r, id, at)
	default:
		return w.call(r, id, at)
	}
}

func (w *workspace) message(r *rand.Rand, id string, at time.Time) []Record {
	p := w.users[w.byUser(r)]
	m := message{
		Org: w.Org, User: p.id, Client: pick(r, clients),
		Conversation: fmt.Sprintf("c-%s-%s-%d", p.id, at.Format("0102"), r.IntN(3)),
	}
	w.channel(r, &m)
	used := p.favourite
	if r.IntN(4) == 0 {
		used = models[w.byModel(r)]
	}
	if r.IntN(50) > 0 {
		m.Model = used.name
	}
	t := w.request(r, used)
	t.User = p.id
	t.Assistant = m.Assistant
	t.Project = m.Project
	t.Workflow = m.Workflow
	t.Client = m.Client
	act := action{Org: w.Org, User: p.id, Action: actionNames[zipf(len(actionNames))(r)], Conversation: m.Conversation,
		Assistant: m.Assistant, Project: m.Project, Model: m.Model, Client: m.Client}
	acts := r.IntN(10) < 3
	if !p.thereAt(at) {
		return nil
	}
	all := []Record{chat.record(w.Org, id, at, m), gateway.record(w.Org, id, at.Add(40*time.Millisecond), t)}
	if acts {
		all = append(all, tools.record(w.Org, id, at.Add(20*time.Millisecond), act))
	}
	return all
}

func (w *workspace) channel(r *rand.Rand, m *message) {
	assistant := w.assistants[w.byAssistant(r)].id
	project := w.projects[w.byProject(r)].id
	switch p := r.IntN(100); {
	case p < 55:
		m.Channel = "chat"
	case p < 80:
		m.Channel = "assistant"
		m.Assistant = assistant
	case p < 92:
		m.Channel = "project"
		m.Project = project
	case p < 95:
		m.Channel = "workflow"
		m.Workflow = pick(r, w.flows).id
	default:
		m.Channel = "api"
		m.APIKey = pick(r, w.apiKeys).id
		m.Client = "api"
	}
}

func (w *workspace) request(r *rand.Rand, used model) token {
	t := token{
		Org: w.Org, Model: used.name, Provider: used.provider, Deployment: used.deployment,
		BYOK: w.Settings.BYOK && r.IntN(3) > 0,
	}
	t.Prompt = 50 + uint32(r.ExpFloat64()*900)
	t.Completion = 5 + uint32(r.ExpFloat64()*350)
	if r.IntN(3) == 0 {
		t.CachedPrompt = t.Prompt * uint32(r.IntN(90)) / 100
		t.CacheCreation = t.Prompt / 10
	}
	t.Cost = dollars(uint64(t.Prompt-t.CachedPrompt)*used.promptPrice + uint64(t.Completion)*used.outputPrice)
	return t
}

func (w *workspace) run(r *rand.Rand, id string, at time.Time) []Record {
	run := workflowRun{Org: w.Org, Workflow: w.flows[zipf(len(w.flows))(r)].id, Run: "run-" + id, Status: "succeeded",
		Duration: 300 + uint32(r.ExpFloat64()*8_000), Trigger: pick(r, triggers)}
	switch p, failure := r.IntN(100), pick(r, errorTypes); {
	case p < 8:
		run.Status = "failed"
		run.Error = failure
	case p < 11:
		run.Status = "cancelled"
	}
	p := w.users[w.byUser(r)]
	if run.Trigger == "manual" {
		run.User = p.id
	}
	if !w.Settings.Workflows || run.User != "" && !p.thereAt(at) {
		return nil
	}
	return []Record{runner.record(w.Org, id, at, run)}
}

func (w *workspace) call(r *rand.Rand, id string, at time.Time) []Record {
	t := w.request(r, models[w.byModel(r)])
	t.APIKey = pick(r, w.apiKeys).id
	t.Client = "api"
	return []Record{gateway.record(w.Org, id, at, t)}
}

func (p person) thereAt(at time.Time) bool {
	return !at.Before(p.joined) && (p.left.IsZero() || at.Before(p.left))
}

// dollars writes 10⁻⁹ USD as a decimal.
func dollars(nano uint64) string {
	return strconv.FormatUint(nano/1e9, 10) + "." + fmt.Sprintf("%09d", nano%1e9)
}
