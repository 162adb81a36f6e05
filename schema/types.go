package schema

// typeNames are the types' names in the log's Enum8 and in labels of metrics.
var typeNames = [...]string{
	Message:     "message",
	Action:      "action",
	Token:       "token",
	WorkflowRun: "workflow_run",
	EntityState: "entity",
}

// This line does not compile while a type has no name. TestEventTypesAreKnownWhereverTheyMustBe of
// cmd/rollcall lists everything else that a new type needs.
var _ = [1]struct{}{}[len(typeNames)-int(TypesEnd)]

// Types returns all types.
func Types() (all []Type) {
	for t := Message; t < TypesEnd; t++ {
		all = append(all, t)
	}
	return all
}

// String is the type's name in the log and in labels of metrics. It is "" if t is no type.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return ""
}

// CloudEvent is the type's name in events.
func (t Type) CloudEvent() string { return "usage." + t.String() + ".v1" }
