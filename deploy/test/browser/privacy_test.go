package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// A workspace may have settings that hide persons. Its page then lists nobody, by name, id,
// pseudonym or rank. The page says which setting hides them, and the dialog says which columns the
// file lacks.
func TestPrivateWorkspaceShowsNobody(t *testing.T) {
	for _, c := range []struct {
		name, language string
		settings       row
		file           string // the parameters of the page's first offer
		says           []string
	}{
		{"off", english, row{"user_level_data": false}, "range=this_month",
			[]string{"user_level_data is off", "The file has no name, email: the workspace's setting user_level_data is off."}},
		{"pseudonyms", german, row{"pseudonymize": true}, "preset=excel-de&range=this_month", []string{
			"pseudonymize des Workspace ist eingeschaltet", "Die Datei hat nicht: name, email. Die Einstellung pseudonymize",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t)
			s.workspace("private", "Private", 5, c.settings)
			_, key := s.key("private")
			p := newTab(t, s.server.URL, c.language, desk)
			p.signIn(key)
			if text := p.text("[data-hidden]"); !strings.Contains(text, c.says[0]) ||
				eval[bool](p, "!!document.querySelector('[data-top=users]')") {
				t.Errorf("the page lists persons, or does not say why not: %q", text)
			}
			if !eval[bool](p, "!!document.querySelector('[data-top=assistants] li')") {
				t.Error("the assistants are gone, too")
			}
			p.run(chromedp.Evaluate("document.querySelector('[data-hidden]').scrollIntoView()", nil))
			p.shoot("private-page-"+c.name, false)
			p.openDialog()
			p.until("document.querySelector('#left-out')?.innerText.includes(`" + c.says[1] + "`)")
			if text := p.text(".preview"); !strings.Contains(text, c.says[0]) ||
				eval[bool](p, "!!document.querySelector('.preview tbody td')") {
				t.Errorf("the preview lists persons, or does not say why not: %q", text)
			}
			p.shoot("private-dialog-"+c.name, false)
			p.accessible("dialog of a private workspace")
			p.showsNobody(s.ids(key))
			for _, kind := range []string{"assistants", "projects", "models", "api-keys"} {
				p.click("input[name=type][value=" + kind + "]")
				p.previewed()
				shown := eval[bool](p, "!document.querySelector('#left-out').hidden")
				if shown != (kind == "assistants" || kind == "projects") {
					t.Errorf("%s: columns are said to be left out: %t", kind, shown)
				}
			}
			if eval[bool](p,
				"!!document.querySelector('input[name=type][value=workflows], input[name=type][value=focus], [data-figure=cost_usd], [data-figure=tokens]')") {
				t.Error("the page shows workflows, tokens or cost to a workspace that has them off")
			}
			p.click("input[name=type][value=users]")
			p.previewed()
			if content := p.generates(s, key, "users?"+c.file); strings.Contains(content, "email") {
				t.Error("the file has e-mail addresses")
			}
		})
	}
}

// ids returns the users' ids as the workspace's file has them.
func (s *service) ids(key string) (ids []string) {
	s.Helper()
	for _, line := range s.sheet(key, "users?range=this_month")[1:] {
		ids = append(ids, line[3])
	}
	if len(ids) == 0 {
		s.Fatal("the file has no users")
	}
	return ids
}

func (p *tab) showsNobody(ids []string) {
	p.Helper()
	page := eval[string](p, "document.documentElement.outerHTML")
	for _, id := range ids {
		if strings.Contains(page, ">"+id+"<") || strings.Contains(page, `"`+id+`"`) {
			p.Errorf("the page shows the user %s", id)
		}
	}
	for _, first := range people {
		if strings.Contains(page, first+" Example") || strings.Contains(page, strings.ToLower(first)+"@") {
			p.Errorf("the page shows %s", first)
		}
	}
}
