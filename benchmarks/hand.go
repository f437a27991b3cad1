package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// handDB is a pool with prepared statements.
type handDB interface {
	row(ctx context.Context, query string, args ...any) interface{ Scan(dest ...any) error }
	exec(ctx context.Context, query string, args ...any) error
}

var (
	handLoad = `SELECT verifier, data FROM sessions WHERE id = $1 AND expires_at > now()`
	handSave = `UPDATE sessions SET data = $1, version = version + 1, expires_at = now() + interval '24' hour
		WHERE id = $2 AND verifier = $3 AND expires_at > now()`
	handTouch = `UPDATE sessions SET expires_at = now() + interval '24' hour
		WHERE id = $1 AND verifier = $2 AND expires_at > now()`
	handLogin = `UPDATE sessions SET verifier = $1, user_id = $2, data = $3, version = version + 1, authenticated_at = now(),
			absolute_expires_at = now() + interval '30' day, expires_at = now() + interval '24' hour
		WHERE id = $4 AND verifier = $5 AND expires_at > now()`
	handInsert = `INSERT INTO sessions (id, verifier, user_id, data, version, created_at,
			absolute_expires_at, seen_at, expires_at, reap_after, authenticated_at)
		VALUES ($1, $2, $3, $4, 1, now(),
			now() + interval '30' day, now(), now() + interval '24' hour, now() + interval '25' hour, now())`

	// forMySQL turns a statement into MySQL's. Its parameters are in order.
	forMySQL = strings.NewReplacer("now()", "UTC_TIMESTAMP(6)", "$1", "?", "$2", "?", "$3", "?", "$4", "?", "$5", "?")
)

func openHand(ctx context.Context, d *bench.Database) (http.Handler, error) {
	if !d.Postgres() {
		return openHandSQL(ctx, d)
	}
	pool, err := d.Pool(ctx)
	return (&hand{handPool{pool}}).pages(), err
}

func openHandSQL(ctx context.Context, d *bench.Database) (http.Handler, error) {
	db, err := d.SQL()
	if err != nil {
		return nil, err
	}
	prepared := handPrepared{}
	for _, query := range []string{handLoad, handSave, handTouch, handLogin, handInsert} {
		if prepared[query], err = db.PrepareContext(ctx, d.Pick(query, forMySQL.Replace(query))); err != nil {
			return nil, err
		}
		d.AtEnd(prepared[query].Close)
	}
	return (&hand{prepared}).pages(), nil
}

// handPool prepares by itself.
type handPool struct{ *pgxpool.Pool }

func (p handPool) row(ctx context.Context, query string, args ...any) interface{ Scan(dest ...any) error } {
	return p.QueryRow(ctx, query, args...)
}

func (p handPool) exec(ctx context.Context, query string, args ...any) error {
	_, err := p.Exec(ctx, query, args...)
	return err
}

type handPrepared map[string]*sql.Stmt

func (p handPrepared) row(ctx context.Context, query string, args ...any) interface{ Scan(dest ...any) error } {
	return p[query].QueryRowContext(ctx, args...)
}

func (p handPrepared) exec(ctx context.Context, query string, args ...any) error {
	_, err := p[query].ExecContext(ctx, args...)
	return err
}

// hand is the application without a library.
type hand struct{ db handDB }

// handData is what the row holds.
type handData struct {
	User  string `json:"user_name"`
	Count int    `json:"count"`
	Cart  string `json:"cart"`
	Theme string `json:"theme"`
}

// A handToken is what the cookie holds: the row's id, and a secret that proves it.
type handToken [uuid.Size + 32]byte

// newToken has a new secret.
func newToken(id []byte) (t handToken) {
	copy(t[:], id)
	_, _ = rand.Read(t[uuid.Size:])
	return t
}

func (t *handToken) id() []byte { return t[:uuid.Size] }

func (t *handToken) verifier() []byte {
	sum := sha256.Sum256(t[uuid.Size:])
	return sum[:]
}

func (t *handToken) set(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{
		Name: "id", Value: hex.EncodeToString(t[:]), Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	})
}

func (h *hand) load(r *http.Request) (t handToken, d handData, err error) {
	c, err := r.Cookie("id")
	if err != nil || len(c.Value) != hex.EncodedLen(len(t)) {
		return t, d, errNoSession
	}
	if _, err := hex.Decode(t[:], []byte(c.Value)); err != nil {
		return t, d, errNoSession
	}
	var verifier, text []byte
	err = h.db.row(r.Context(), handLoad, t.id()).Scan(&verifier, &text)
	if errors.Is(err, sql.ErrNoRows) || err == nil && subtle.ConstantTimeCompare(verifier, t.verifier()) != 1 {
		return t, d, errNoSession
	}
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	return t, d, err
}

func (h *hand) pages() pages {
	return pages{
		"/read": func(_ http.ResponseWriter, r *http.Request) (string, int, error) {
			_, d, err := h.load(r)
			return d.User, d.Count, err
		},
		"/counter": func(_ http.ResponseWriter, r *http.Request) (string, int, error) {
			t, d, err := h.load(r)
			if err == nil {
				d.Count++
				text, _ := json.Marshal(d) // strings and a number
				err = h.db.exec(r.Context(), handSave, string(text), t.id(), t.verifier())
			}
			return d.User, d.Count, err
		},
		"/rolling": func(_ http.ResponseWriter, r *http.Request) (string, int, error) {
			t, d, err := h.load(r)
			if err == nil {
				err = h.db.exec(r.Context(), handTouch, t.id(), t.verifier())
			}
			return d.User, d.Count, err
		},
		"/login": func(w http.ResponseWriter, r *http.Request) (string, int, error) {
			old, d, err := h.load(r)
			if err == nil {
				t := newToken(old.id())
				t.set(w)
				d.User = newUser()
				text, _ := json.Marshal(d)
				err = h.db.exec(r.Context(), handLogin, t.verifier(), d.User, string(text), old.id(), old.verifier())
			}
			return d.User, d.Count, err
		},
		"/begin": func(w http.ResponseWriter, r *http.Request) (string, int, error) {
			id := uuid.New()
			t := newToken(id[:])
			t.set(w)
			d := handData{User: newUser(), Cart: cart, Theme: theme}
			text, _ := json.Marshal(d)
			return d.User, d.Count, h.db.exec(r.Context(), handInsert, t.id(), t.verifier(), d.User, string(text))
		},
	}
}
