// Command clickhouse is the one process of the stand-in for the image clickhouse/clickhouse-server.
// The embedded engine has no users and no TLS; this server has one user, and an HTTPS port if it
// finds a certificate. It reads the image's variables CLICKHOUSE_USER, CLICKHOUSE_PASSWORD (or
// CLICKHOUSE_PASSWORD_FILE) and CLICKHOUSE_DB, and no configuration file.
package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"rollcall/deploy/demo/embedded"
)

const (
	dataDir = "/var/lib/clickhouse"
	keyPair = "/etc/clickhouse-server/tls.pem" // certificate and private key, where the suite puts them
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx is done or a port cannot be served. It does not close the engine, which
// would have to wait for running statements: what the engine acknowledged is safe without that.
func run(ctx context.Context) error {
	account, err := accountOf(os.Getenv)
	if err != nil {
		return err
	}
	engine, err := embedded.StartEngine(ctx, embedded.EngineOptions{Dir: dataDir})
	if err != nil {
		return err
	}
	if err := createDatabase(ctx, engine.URL(), os.Getenv("CLICKHOUSE_DB")); err != nil {
		return err
	}
	handler := account.guard(engine)
	failed := make(chan error, 2)
	go func() { failed <- http.ListenAndServe(":8123", handler) }()
	if _, err := os.Stat(keyPair); err == nil {
		go func() { failed <- http.ListenAndServeTLS(":8443", keyPair, keyPair, handler) }()
	}
	log.Print("the stand-in for a ClickHouse server is ready")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// createDatabase creates the database, as the image's entry point does, if there is a name.
func createDatabase(ctx context.Context, url, name string) error {
	if name == "" {
		return nil
	}
	statement := strings.NewReader("CREATE DATABASE IF NOT EXISTS `" + name + "`")
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, statement)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("create the database %s: %w", name, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, err := io.ReadAll(answer.Body)
		return errors.Join(fmt.Errorf("create the database %s: %s", name, text), err)
	}
	return nil
}

// An account is the server's one user.
type account struct{ user, password string }

func accountOf(env func(string) string) (account, error) {
	a := account{user: env("CLICKHOUSE_USER"), password: env("CLICKHOUSE_PASSWORD")}
	if a.user == "" {
		a.user = "default"
	}
	file := env("CLICKHOUSE_PASSWORD_FILE")
	if file == "" {
		return a, nil
	}
	password, err := os.ReadFile(file)
	if err != nil {
		return a, err
	}
	a.password = strings.TrimRight(string(password), "\n")
	return a, nil
}

// guard passes on to next what the user asks, and /ping, which everybody may ask. It refuses all
// else with the status and the code of a ClickHouse server.
func (a account) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password := credentials(r)
		if r.URL.Path != "/ping" && !a.is(user, password) {
			w.Header().Set("X-ClickHouse-Exception-Code", "516")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "Code: 516. DB::Exception: %s: Authentication failed: password is incorrect, "+
				"or there is no user with such name. (AUTHENTICATION_FAILED)\n", user)
			return
		}
		r.Host = "localhost" // the engine refuses every other host, and this server is reached by many names
		next.ServeHTTP(w, r)
	})
}

func (a account) is(user, password string) bool {
	return user == a.user && subtle.ConstantTimeCompare([]byte(password), []byte(a.password)) == 1
}

// credentials finds user and password in the places where ClickHouse looks for them.
func credentials(r *http.Request) (user, password string) {
	user, password, ok := r.BasicAuth()
	if !ok {
		user, password = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	}
	if query := r.URL.Query(); user == "" {
		user, password = query.Get("user"), query.Get("password")
	}
	if user == "" {
		user = "default"
	}
	return user, password
}
