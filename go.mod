module github.com/sqlsessions/sessions

// The language floor is Go 1.25; golang-migrate asks for this patch release,
// which is also past the fixes for CVE-2025-47907 (database/sql),
// CVE-2025-47910 and CVE-2025-58186 (net/http) that sessions depend on.
go 1.25.11
