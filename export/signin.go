package export

import "net/http"

// signIn exchanges a key for a session.
func (e *Export) signIn(w http.ResponseWriter, r *http.Request) {
	cookie, err := e.gate.SignIn(r)
	e.answerSession(w, r, "sign-in", cookie, err)
}

// signOut ends the session. Only then the browser is told to forget it: where it fails, the browser
// keeps the cookie, so that it can be tried again.
func (e *Export) signOut(w http.ResponseWriter, r *http.Request) {
	cookie, err := e.gate.SignOut(r)
	e.answerSession(w, r, "sign-out", cookie, err)
}

func (e *Export) answerSession(w http.ResponseWriter, r *http.Request, what string, cookie *http.Cookie, err error) {
	if err == nil {
		http.SetCookie(w, cookie)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	id := requestID(r).String()
	f := failureFor(r, err, id)
	if f.status >= 500 {
		e.log.Error(what+" failed", "request_id", id, "status", f.status, "error", f.err)
	} else {
		e.log.Info(what+" refused", "request_id", id, "status", f.status)
	}
	writeProblem(w, f, id)
}
