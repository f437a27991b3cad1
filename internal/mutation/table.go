package main

// A mutation breaks one line.
type mutation struct {
	file  string
	tests string // the packages whose tests have to see it
	why   string // what it would mean for users

	old, broken string
	survives    string // why no test sees it, if that is accepted
}

// Where the tests are. Those of integration_test need the module's own settings.
const (
	root     = "."
	units    = ". ./internal/..."
	memory   = "./memstore"
	sqlite   = "integration: ./sqlite"
	postgres = "servers: ./stores -run ^TestStore$/^pgxpool$"
	mariadb  = "servers: ./stores -run ^TestStore$/^mysql$"
)

// mutations are lines of the request path, the stores and the reaper. If one is rewritten, its
// mutation has to be too: the texts must be in their files exactly once.
var mutations = []mutation{
	// A request.
	{
		"sessions.go", "./express/...", "sessions of Express are not taken over",
		"if live == 0 {\n\t\tst, err := c.takeOver",
		"if live > 99 {\n\t\tst, err := c.takeOver", "",
	},
	{
		"sessions.go", root, "of several live sessions the last cookie wins, which a neighbouring domain can plant",
		"case live > 0:\n\t\t\tlive++",
		"case live > 9:\n\t\t\tlive++", "",
	},
	{
		"sessions.go", root, "when the database is down, every visitor gets a new session",
		"\t\tcase err != nil:\n\t\t\treturn nil, err\n\t\t}\n\t\tswitch rotated",
		"\t\tcase err != nil:\n\t\t\tcontinue\n\t\t}\n\t\tswitch rotated", "",
	},
	{
		"sessions.go", root, "a change after the request seems to be saved",
		"defer s.sealUp(false)",
		"defer func() {}()", "",
	},
	{
		"sessions.go", root, "the theft of a token goes unnoticed",
		"if replaced.Ago <= grace {",
		"if true {", "",
	},
	{
		"core.go", root, "a store that mixes up rows signs a user in as another",
		"row.ID != ref.ID || ",
		"", "",
	},
	{
		"core.go", root, "a collation that mixes up verifiers opens another's session",
		"!row.Previous && !hmac.Equal([]byte(row.Verifier), []byte(ref.Verifier))",
		"!row.Previous && !hmac.Equal(nil, nil)", "",
	},
	{
		"internal/rows/timeouts.go", root, "sessions in use expire",
		"return max(behind, row.LastSeenAge) >= t.Interval(idle)",
		"return max(behind, row.LastSeenAge) < 0", "",
	},
	{
		"core.go", root, "a stream goes on after the logout in its own process",
		"c.watch.Ended(ref.ID, &EndedError{why})",
		"c.watch.Wake()", "",
	},
	{
		"core.go", units, "log out everywhere begins at the first page again and again",
		"req.After = result.Last",
		"req.After = \"\"", "the rows of the pages before have ended, so it finds the same; it only reads more",
	},
	{
		"core.go", root, "log out everywhere ends one page",
		"if err != nil || !result.More {",
		"if true {", "",
	},
	{
		"native.go", root, "a session is stored whose cookie no browser keeps",
		"return !n.proxies.HTTPS(r) && !forwarded.Loopback(r.Host), true",
		"return false, true", "",
	},
	{
		"response.go", root, "what the handler wrote to the header leaves with the error",
		"clear(w.Header())\n",
		"", "",
	},
	{
		"response.go", root, "a client takes a response for complete whose change was lost",
		"if w.Request.Context().Value(http.ServerContextKey) != nil {",
		"if false {", "",
	},
	{
		"response.go", root, "a cache gives one user's page to another",
		"if s.accessed.Load() {\n\t\treply.AddVary(h)\n\t}",
		"", "",
	},
	{
		"response.go", root, "a framework that keeps the manager's writer from its handlers loses sessions without a word",
		"if w.State == reply.Open && reply.Past(w.ResponseWriter) {",
		"if false {", "",
	},
	{
		"internal/reply/first.go", root, "a reverse proxy makes a cut connection of the error handler's answer",
		"if f.State != Failed || !f.Answered { // a panic of the error handler is its own\n\t\treturn\n\t}\n\tmaps",
		"if true {\n\t\treturn\n\t}\n\tmaps", "",
	},
	{
		"internal/reply/reply.go", root, "a CDN gives one user's cookie to another",
		"delete(h, name)",
		"", "",
	},
	{
		"internal/forwarded/forwarded.go", "./internal/forwarded", "a client makes HTTPS of HTTP by an open quote",
		"return protos, closed",
		"return protos, closed || true", "",
	},
	{
		"key.go", root, "a deployment that is rolled back destroys what the newer one stored",
		"if errors.Is(err, ErrValue) {\n\t\t\treturn v, nil, err",
		"if false {\n\t\t\treturn v, nil, err", "",
	},
	{
		"internal/names/names.go", memory, "users become one that differ in invalid bytes",
		"!utf8.ValidString(name) || strings.ContainsRune",
		"strings.ContainsRune", "",
	},
	// Saving.
	{
		"commit.go", root, "sessions grow past MaxBytes",
		"if limit := c.core.options.MaxBytes; len(row.Data) > limit {",
		"if limit := c.core.options.MaxBytes; len(row.Data) > 2*limit {", "",
	},
	{
		"commit.go", root, "a token that is taken is an error",
		"const maxCollisions = 3",
		"const maxCollisions = 1", "",
	},
	{
		"commit.go", root, "a sign-in does not restart the absolute limit",
		"life.Absolute = c.core.options.Lifetime\n\t}\n\tmodified",
		"_ = life\n\t}\n\tmodified", "",
	},
	{
		"commit.go", root, "a request beside a rotation finds no session",
		"req.Grace = grace\n",
		"", "",
	},
	{
		"commit.go", root, "after a lost answer a change is made twice",
		"if c.changes.unsure && c.MayMerge(err) {",
		"if false {", "",
	},
	{
		"commit.go", root, "a save beside a sign-in signs the user out again",
		"if !c.changes.user {\n\t\tc.state.user = theirs.user\n\t}",
		"", "",
	},
	{
		"commit.go", root, "sessions in use expire",
		"case c.due:\n\t\treturn c.touch(ctx)",
		"case c.due:\n\t\treturn nil", "",
	},
	{
		"commit.go", root, "a logout ends nothing",
		"slices.Concat(c.changes.ends, c.others)",
		"slices.Clone(c.others)", "",
	},
	{
		"save.go", root, "after a failed save the next one saves nothing",
		"s.pending = c.changes.then(s.pending)\n\t\tif",
		"if", "",
	},
	{
		"save.go", root, "a client that hangs up loses a save",
		"if err := s.hold(context.Background()); err != nil {\n\t\treturn storeError(\"save\", err)",
		"if err := s.hold(ctx); err != nil {\n\t\treturn storeError(\"save\", err)", "",
	},
	{
		"login.go", root, "one user's values become another's",
		"s.destroyLocked()\n\t}\n\tif user == \"\"",
		"_ = user\n\t}\n\tif user == \"\"", "",
	},
	{
		"login.go", root, "a token that was planted before the sign-in opens the session after it",
		"s.regenerateLocked(renewLogin)",
		"s.regenerateLocked(renewNone)", "",
	},
	{
		"internal/ops/list.go", units, "a value that is set back is saved as it was in between",
		"!l.cleared && !l.has(o.Name) {",
		"true {", "",
	},
	{
		"internal/ops/list.go", units, "an update beside another one loses it",
		"raw, err := o.Replay(now.Doc.Get(o.Name))",
		"raw, err := o.Raw, error(nil)", "",
	},
	{
		"internal/gate/gate.go", units, "a save that met another's is lost",
		"if changed, rebaseErr := save.Rebase(ctx); rebaseErr != nil || !changed {",
		"if changed, rebaseErr := save.Rebase(ctx); rebaseErr != nil || changed {", "",
	},
	{
		"internal/rows/timeouts.go", root, "a visitor's session lives as long as a user's",
		"if user == \"\" && t.Visitor > 0 {",
		"if false {", "",
	},
	{
		"commit.go", root, "a visitor who is to be refused begins a session",
		"c.refused = true\n\t\t\treturn false, fmt",
		"c.refused = false\n\t\t\t_ = fmt", "",
	},
	{
		"sessions.go", root, "uploads fill the disk with temporary files",
		"defer reply.Return(s.inner, r)",
		"_ = reply.Return", "",
	},
	{
		"internal/token/token.go", units, "one request has thousands of signatures checked",
		"signatures > maxSignatures",
		"signatures > maxCookies", "",
	},
	// Signing in.
	{
		"internal/signin/signin.go", root, "a sign-in beats a revocation that runs beside it",
		"return m.Age <= elapsed && ",
		"return m.Age > elapsed && ", "",
	},
	{
		"internal/signin/signin.go", units, "a clock that is ahead lets a sign-in through",
		"if since.IsZero() || since.After(request) {",
		"if since.IsZero() {", "",
	},
	{
		"internal/signin/signin.go", root, "a user has one session more than MaxPerUser",
		"case len(rows) <= l.Max:",
		"case len(rows) <= l.Max+1:", "",
	},
	{
		"internal/token/token.go", units, "32 bits of a signature are enough",
		"if want := s.sum(i, &t); hmac.Equal(want[:], sum[:]) {",
		"if want := s.sum(i, &t); hmac.Equal(want[:4], sum[:4]) {", "",
	},
	// Stores.
	{
		"internal/native/store.go", sqlite, "within a grace any token opens the session",
		"case Proves(proof, r.Before):",
		"case r.Before != \"\":", "",
	},
	{
		"internal/native/sure.go", "./internal/native", "another's write is taken for one's own",
		"case lookErr == nil && row.Version == w.NewVersion:",
		"case lookErr == nil && row.Version != w.Version:", "",
	},
	{
		"memstore/row.go", memory, "why a session ended is forgotten",
		"if until := now.Add(keep); until.After(r.keepUntil) {",
		"if until := now.Add(keep); !until.After(r.keepUntil) {", "",
	},
	{
		"memstore/store.go", memory, "an update is lost",
		"case row.Version != req.Version:",
		"case false:", "",
	},
	{
		"sqlitestore/queries.go", sqlite, "a session that ended or expired comes back",
		"WHERE id = ?1 AND verifier = ?2 AND version = ?11 AND $LIVE`)",
		"WHERE id = ?1 AND verifier = ?2 AND version = ?11`)", "",
	},
	{
		"sqlitestore/queries.go", sqlite, "a touch passes the absolute limit",
		"expires_at = max(expires_at, min($NOW + ?3, absolute_expires_at))",
		"expires_at = $NOW + ?3", "",
	},
	{
		"sqlitestore/queries.go", sqlite, "what a user stored stays in the table after the logout",
		"\tlabel = NULL,\n\tdata = '{}',",
		"\tlabel = NULL,", "",
	},
	{
		"pgstore/queries.go", postgres, "the reaper deletes live sessions",
		"`greatest(expires_at, keep_until) <= now() - interval '1 minute'`",
		"`greatest(expires_at, keep_until) <= now() + interval '10 hours'`", "",
	},
	{
		"mysqlstore/queries.go", mariadb, "the reaper deletes live sessions",
		"`$OVER <= $NOW - INTERVAL 1 MINUTE`",
		"`$OVER <= $NOW + INTERVAL 10 HOUR`", "",
	},
	// The reaper.
	{
		"cleanup.go", root, "a sweep deletes one batch",
		"if !result.More {\n\t\t\treturn deleted, nil\n\t\t}",
		"if true {\n\t\t\treturn deleted, nil\n\t\t}", "",
	},
	{
		"cleanup.go", root, "a reaper asks a database that is down every second",
		"pause, backoff = backoff, min(2*backoff, max(maxBackoff, interval))",
		"pause = backoff", "",
	},
	{
		"cleanup.go", root, "a reaper hangs with its connection",
		"ctx, cancel := context.WithTimeout(ctx, batchTimeout)",
		"ctx, cancel := context.WithCancel(ctx)", "",
	},
}
