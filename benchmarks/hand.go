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

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sqlsessions/sessions/benchmarks/internal/bench"
	"github.com/sqlsessions/sessions/internal/uuid"
)

// handData is what stands in the row.
type handData struct {
	User  string `json:"user_name"`
	Count int    `json:"count"`
	Cart  string `json:"cart"`
	Theme string `json:"theme"`
}

// handWritten is the application without a library.
type handWritten struct {
	db handDB
	q  *handQueries
}

// handDB is a pool with prepared statements.
type handDB interface {
	row(ctx context.Context, query string, dest []any, args ...any) error
	exec(ctx context.Context, query string, args ...any) error
}

type handQueries struct{ load, save, touch, login, insert string }

var handPostgres = handQueries{
	load: `SELECT verifier, data FROM sessions WHERE id = $1 AND expires_at > now()`,
	save: `UPDATE sessions SET data = $1, version = version + 1, expires_at = now() + interval '24' hour
		WHERE id = $2 AND verifier = $3 AND expires_at > now()`,
	touch: `UPDATE sessions SET expires_at = now() + interval '24' hour
		WHERE id = $1 AND verifier = $2 AND expires_at > now()`,
	login: `UPDATE sessions SET verifier = $1, user_id = $2, data = $3, version = version + 1, authenticated_at = now(),
			absolute_expires_at = now() + interval '30' day, expires_at = now() + interval '24' hour
		WHERE id = $4 AND verifier = $5 AND expires_at > now()`,
	insert: `INSERT INTO sessions (id, verifier, user_id, data, version, created_at,
			absolute_expires_at, expires_at, reap_after, authenticated_at)
		VALUES ($1, $2, $3, $4, 1, now(),
			now() + interval '30' day, now() + interval '24' hour, now() + interval '25' hour, now())`,
}

// forMySQL turns a statement above into MySQL's. Its parameters are in order.
var forMySQL = strings.NewReplacer("now()", "UTC_TIMESTAMP(6)", "$1", "?", "$2", "?", "$3", "?", "$4", "?", "$5", "?")

func handSQL(d *bench.Database) *handQueries {
	q := handPostgres
	if !d.Postgres() {
		for _, text := range []*string{&q.load, &q.save, &q.touch, &q.login, &q.insert} {
			*text = forMySQL.Replace(*text)
		}
	}
	return &q
}

func openHand(ctx context.Context, d *bench.Database) (http.Handler, error) {
	if !d.Postgres() {
		return openHandSQL(ctx, d)
	}
	pool, err := d.Pool(ctx)
	return newHand(handPool{pool}, handSQL(d)), err
}

func openHandSQL(ctx context.Context, d *bench.Database) (http.Handler, error) {
	db, err := d.SQL()
	if err != nil {
		return nil, err
	}
	q, prepared := handSQL(d), handPrepared{}
	for _, query := range []string{q.load, q.save, q.touch, q.login, q.insert} {
		if prepared[query], err = db.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
		d.AtEnd(prepared[query].Close)
	}
	return newHand(prepared, q), nil
}

// handPool prepares by itself.
type handPool struct{ *pgxpool.Pool }

func (p handPool) row(ctx context.Context, query string, dest []any, args ...any) error {
	err := p.QueryRow(ctx, query, args...).Scan(dest...)
	if errors.Is(err, pgx.ErrNoRows) {
		return sql.ErrNoRows
	}
	return err
}

func (p handPool) exec(ctx context.Context, query string, args ...any) error {
	_, err := p.Exec(ctx, query, args...)
	return err
}

type handPrepared map[string]*sql.Stmt

func (p handPrepared) row(ctx context.Context, query string, dest []any, args ...any) error {
	return p[query].QueryRowContext(ctx, args...).Scan(dest...)
}

func (p handPrepared) exec(ctx context.Context, query string, args ...any) error {
	_, err := p[query].ExecContext(ctx, args...)
	return err
}

const handCookie = "id"

// A handToken is what the cookie holds: the row's id, and a secret that proves it.
type handToken [uuid.Size + 32]byte

// newToken has a new secret.
func newToken(id []byte) (t handToken) {
	copy(t[:], id)
	_, _ = rand.Read(t[uuid.Size:])
	return t
}

func (t *handToken) parse(text string) error {
	if len(text) != hex.EncodedLen(len(t)) {
		return hex.ErrLength
	}
	_, err := hex.Decode(t[:], []byte(text))
	return err
}

func (t *handToken) id() []byte { return t[:uuid.Size] }

func (t *handToken) verifier() []byte {
	sum := sha256.Sum256(t[uuid.Size:])
	return sum[:]
}

func newHand(db handDB, q *handQueries) http.Handler {
	h := &handWritten{db, q}
	return &pages{begin: h.begin, read: h.read, counter: h.counter, rolling: h.rolling, login: h.login}
}

// load answers the request itself when there is no session.
func (h *handWritten) load(w http.ResponseWriter, r *http.Request) (t handToken, d handData, ok bool) {
	c, err := r.Cookie(handCookie)
	if err == nil {
		err = t.parse(c.Value)
	}
	if err != nil {
		refuse(w)
		return t, d, false
	}
	var verifier, text []byte
	err = h.db.row(r.Context(), h.q.load, []any{&verifier, &text}, t.id())
	if errors.Is(err, sql.ErrNoRows) || err == nil && subtle.ConstantTimeCompare(verifier, t.verifier()) != 1 {
		refuse(w)
		return t, d, false
	}
	if failed(w, err) || failed(w, json.Unmarshal(text, &d)) {
		return t, d, false
	}
	return t, d, true
}

func (h *handWritten) read(w http.ResponseWriter, r *http.Request) {
	if _, d, ok := h.load(w, r); ok {
		answer(w, d.User, d.Count)
	}
}

func (h *handWritten) counter(w http.ResponseWriter, r *http.Request) {
	t, d, ok := h.load(w, r)
	if !ok {
		return
	}
	d.Count++
	text, err := json.Marshal(d)
	if failed(w, err) || failed(w, h.db.exec(r.Context(), h.q.save, string(text), t.id(), t.verifier())) {
		return
	}
	answer(w, d.User, d.Count)
}

func (h *handWritten) rolling(w http.ResponseWriter, r *http.Request) {
	t, d, ok := h.load(w, r)
	if !ok || failed(w, h.db.exec(r.Context(), h.q.touch, t.id(), t.verifier())) {
		return
	}
	answer(w, d.User, d.Count)
}

func (h *handWritten) login(w http.ResponseWriter, r *http.Request) {
	old, d, ok := h.load(w, r)
	if !ok {
		return
	}
	t := newToken(old.id())
	d.User = newUser()
	text, err := json.Marshal(d)
	if failed(w, err) || failed(w, h.db.exec(r.Context(), h.q.login, t.verifier(), d.User, string(text), old.id(), old.verifier())) {
		return
	}
	setHandCookie(w, &t)
	answer(w, d.User, d.Count)
}

func (h *handWritten) begin(w http.ResponseWriter, r *http.Request) {
	id := uuid.New()
	t := newToken(id[:])
	d := handData{User: newUser(), Cart: cart, Theme: theme}
	text, err := json.Marshal(d)
	if failed(w, err) || failed(w, h.db.exec(r.Context(), h.q.insert, t.id(), t.verifier(), d.User, string(text))) {
		return
	}
	setHandCookie(w, &t)
	answer(w, d.User, d.Count)
}

func setHandCookie(w http.ResponseWriter, t *handToken) {
	http.SetCookie(w, &http.Cookie{
		Name: handCookie, Value: hex.EncodeToString(t[:]), Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	})
}
