package main

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlsessions/sessions/internal/product"
)

func TestLocal(t *testing.T) {
	for where, want := range map[string]bool{
		"/run/mysqld/mysqld.sock": true, "/run/postgresql": true, "127.0.0.1:5432": true, "127.1.2.3:1": true,
		"[::1]:5432": true, "localhost:3306": true, "10.0.0.1:5432": false, "db.example.com:5432": false,
		"[2001:db8::1]:5432": false, "localhost.example.com:5432": false,
	} {
		if local(where) != want {
			t.Errorf("%s: %t", where, !want)
		}
	}
}

// What no SQLite file can have.
func TestDoctorJudgements(t *testing.T) {
	x := &examination{doctor: &doctor{database: &database{app: &app{}}, practice: practice{names: strings.NewReplacer()}}, name: "test"}
	for _, test := range []struct {
		judge func()
		want  string
	}{
		{func() { x.supported(product.PostgreSQL("PostgreSQL 13.22", "13.22")) }, statusError},
		{func() { x.supported(product.MySQL("8.0.11-TiDB-v7.5.0", "TiDB Server")) }, statusWarning},
		{func() { x.writable("it is a standby") }, statusError},
		{func() { x.encrypted("", false, "tls=true") }, statusWarning},
		{func() { x.encrypted("", true, "tls=true") }, statusOK},
		{func() { x.encrypted("TLSv1.3", false, "tls=true") }, statusOK},
		{func() { x.isolation("REPEATABLE-READ", "repeatable read", "read committed") }, statusOK},
		{func() { x.isolation("serializable", "read committed") }, statusNote},
		{func() { x.galera("0") }, statusWarning},
		{func() { x.galera("1") }, statusWarning},
		{func() { x.galera("2") }, statusWarning},
		{func() { x.galera("3") }, statusOK},
		{func() { x.galera("15") }, statusOK},
		{func() { x.skew(2 * time.Second) }, statusOK},
		{func() { x.skew(-3 * time.Second) }, statusNote},
		{func() { x.skew(time.Hour) }, statusWarning},
		{func() { x.backlog(dueLimit, 1000, "") }, statusOK},
		{func() { x.backlog(dueLimit+1, 1000, "") }, statusWarning},
		{func() { x.backlog(dueLimit, 1000, "more than ") }, statusWarning},
		{func() { x.grants(nil, true) }, statusOK},
		{func() { x.grants([]string{"INSERT", "UPDATE"}, true) }, statusNote},
		{func() { x.grants([]string{"INSERT", "UPDATE"}, false) }, statusError},
		{func() { x.grants([]string{"INSERT", "DELETE"}, true) }, statusError},
		{func() { x.grants([]string{"UPDATE"}, true) }, statusError},
	} {
		test.judge()
		if last := x.report[len(x.report)-1]; last.Status != test.want || (last.Advice == "") != (test.want == statusOK) {
			t.Errorf("want %s: %+v", test.want, last)
		}
	}
}

func TestAmounts(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 second", 90 * time.Second: "90 seconds", 90 * time.Minute: "90 minutes",
		47 * time.Hour: "47 hours", 73 * time.Hour: "3 days",
	} {
		if got := age(d); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 byte", 1536: "1.5 KiB", 3 << 20: "3.0 MiB", 5 << 30: "5.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestInScope(t *testing.T) {
	for scope, want := range map[string]bool{
		"`app`.* TO `x`@`%`":                   true,
		"`app`.`sessions` TO `x`@`%`":          true,
		"`app`.`other` TO `x`@`%`":             false,
		"`test`.* TO PUBLIC":                   false,
		"`test\\_%`.* TO PUBLIC":               false,
		"`ap_`.* TO `x`@`%`":                   true,
		"`a%`.* TO `x`@`%`":                    true,
		"`a\\_p`.* TO `x`@`%`":                 false,
		"PROCEDURE `app`.`p` TO `x`@`%`":       false,
		"`other`.`sessions` TO `x`@`%`":        false,
		"`app`.* TO `x`@`%` WITH GRANT OPTION": true,
	} {
		if inScope(scope, "app", "sessions") != want {
			t.Errorf("%s: %t", scope, !want)
		}
	}
	if !inScope("`my\\_app`.* TO `x`", "my_app", "sessions") || inScope("`my\\_app`.* TO `x`", "my2app", "sessions") {
		t.Error("an escaped underscore stands for itself")
	}
}
