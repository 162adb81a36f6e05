package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func groupsOf(t *testing.T, list string) []string {
	t.Helper()
	ev := decoded(t, &Record{Value: structured(entity, user(`,"group_ids":`+list))})
	groups := []string{}
	for _, id := range ev.Entity.GroupIDs {
		groups = append(groups, string(id))
	}
	return groups
}

// The groups of a user are a set, in the order of their bytes. null, "" and an empty list are none.
func TestGroupIDsAreASet(t *testing.T) {
	for list, want := range map[string][]string{
		`null`: {}, `""`: {}, `[]`: {}, ` [ ] `: {},
		`["b","a"]`: {"a", "b"}, `["a","b","a"]`: {"a", "b"}, ` [ "b" ,"a" , "b" ] `: {"a", "b"},
		`["\u0062","b"]`: {"b"}, `["ä","z","Z"]`: {"Z", "z", "ä"}, `["\u0000","a b"]`: {"\x00", "a b"},
		`["a"],"group_ids":null`: {}, `["a"],"group_ids":[]`: {}, `["a"],"group_ids":["b"]`: {"b"},
		`7,"group_ids":["b"]`: {"b"}, `[7],"group_ids":["b"]`: {"b"}, ids(65, "") + `,"group_ids":["b"]`: {"b"},
	} {
		if got := groupsOf(t, list); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", list, got, want)
		}
	}
	if got := len(groupsOf(t, ids(64, `,"g5","g9"`))); got != 64 {
		t.Errorf("%d groups of 64", got)
	}
	again := strings.Repeat(`,"g5"`, 100_000) // a list of any length is read in bounded memory
	if got := len(groupsOf(t, ids(64, again))); got != 64 {
		t.Errorf("%d groups of 64", got)
	}
}

// The groups of one record do not stay for the next one, nor those of an earlier data.
func TestGroupIDsOfAnotherRecord(t *testing.T) {
	d := NewDecoder()
	var ev Event
	for _, c := range []struct{ value, want string }{
		{user(`,"group_ids":["a","b"]`), "[a b]"}, {user(""), "[]"}, {user(`,"group_ids":["\u0063"]`), "[c]"},
		{user(`,"group_ids":["d"]`) + `,"data":` + user(""), "[]"},
		{user(`,"deleted":true,"group_ids":["e"]`), "[]"}, {user(`,"group_ids":["f"]`), "[f]"},
	} {
		if rej := d.Decode(&Record{Value: structured(entity, c.value)}, benchNow, &ev); rej != nil {
			t.Fatal(rej.Detail)
		}
		if got := fmt.Sprintf("%s", ev.Entity.GroupIDs); got != c.want {
			t.Errorf("%s: %s, want %s", c.value, got, c.want)
		}
	}
}

// The sentence of a rejection says what is wrong with the list.
func TestSentencesAboutGroupIDs(t *testing.T) {
	for list, want := range map[string]string{
		`"g"`:         `data.group_ids is "g"; it is a list of ids`,
		`{"g":["h"]}`: `data.group_ids is an object; it is a list of ids`,
		`true`:        `data.group_ids is true; it is a list of ids`,
		`[null,7]`:    `data.group_ids has null in it; an id is a text of 1 to 256 bytes`,
		`["g",""]`:    `data.group_ids has "" in it; an id is a text of 1 to 256 bytes`,
		`["g",7,"x"]`: `data.group_ids has the number 7 in it; an id is a text of 1 to 256 bytes`,
		`[["g"]]`:     `data.group_ids has a list in it; an id is a text of 1 to 256 bytes`,
		`[false,{}]`:  `data.group_ids has false in it; an id is a text of 1 to 256 bytes`,
		`["` + strings.Repeat("g", 257) + `"]`: `data.group_ids has "` + strings.Repeat("g", 64) +
			`…" in it; an id is a text of 1 to 256 bytes`,
		ids(65, ""): `data.group_ids has more than 64 different ids`,
	} {
		_, rej := decodeBoth(t, &Record{Value: structured(entity, user(`,"group_ids":`+list))}, benchNow)
		if rej == nil || rej.Reason != InvalidValue || rej.Detail != want || rej.User != "u" {
			t.Errorf("%.60s: %+v, want %q", list, rej, want)
		}
	}
}
