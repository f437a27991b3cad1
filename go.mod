module github.com/sqlsessions/sessions

// The language floor is Go 1.25; golang-migrate asks for this patch release,
// which is also past the fixes for CVE-2025-47907 (database/sql),
// CVE-2025-47910 and CVE-2025-58186 (net/http) that sessions depend on.
go 1.25.11

require (
	github.com/go-sql-driver/mysql v1.10.1
	github.com/golang-migrate/migrate/v4 v4.20.1
	github.com/jackc/pgx/v5 v5.13.0
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)
