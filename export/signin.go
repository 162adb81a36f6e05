package export

import "net/http"

// signIn exchanges a key for a session.
func (e *Export) signIn(w http.ResponseWriter, r *http.Request) {
	limited, limit, end := e.limitFirstByte(r)
	defer end()
	cookie, err := e.gate.SignIn(limited)
	e.answerSession(w, r, "sign-in", cookie, limit.failure(err))
}

// signOut ends the session. Only after that it tells the browser to forget the cookie: if the
// session could not be ended, the browser keeps the cookie and can try again.
func (e *Export) signOut(w http.ResponseWriter, r *http.Request) {
	limited, limit, end := e.limitFirstByte(r)
	defer end()
	cookie, err := e.gate.SignOut(limited)
	e.answerSession(w, r, "sign-out", cookie, limit.failure(err))
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
