package schema

// typeNames are the types' names in the log's Enum8 and in labels of metrics.
var typeNames = [...]string{
	Message:     "message",
	Action:      "action",
	Token:       "token",
	WorkflowRun: "workflow_run",
	EntityState: "entity",
}

// It does not compile while a type has no name. All else that a new type needs is listed by the
// test TestEventTypesAreKnownWhereverTheyMustBe of cmd/rollcall.
var _ = [1]struct{}{}[len(typeNames)-int(TypesEnd)]

// Types lists the types.
func Types() (all []Type) {
	for t := Message; t < TypesEnd; t++ {
		all = append(all, t)
	}
	return all
}

// String is the type's name in the log and in labels of metrics; that of no type is empty.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return ""
}

// CloudEvent is the type as events name it.
func (t Type) CloudEvent() string { return "usage." + t.String() + ".v1" }
