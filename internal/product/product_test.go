package product

import "testing"

// What real servers answer.
func TestServers(t *testing.T) {
	const none = ""
	for _, test := range []struct {
		server  Server
		want    string
		problem string
	}{
		{PostgreSQL("PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc", "15.18 (Debian 15.18-0+deb12u1)"), "PostgreSQL 15.18", none},
		{PostgreSQL("PostgreSQL 18beta1 on aarch64", "18beta1"), "PostgreSQL 18", none},
		{PostgreSQL("PostgreSQL 14.0 on x86_64", "14.0"), "PostgreSQL 14.0", none},
		{PostgreSQL("PostgreSQL 13.23 on x86_64", "13.23"), "PostgreSQL 13.23", "PostgreSQL 13.23 is too old: the store needs 14 or newer"},
		{PostgreSQL("PostgreSQL 9.6.24 on x86_64", "9.6.24"), "PostgreSQL 9.6.24", "PostgreSQL 9.6.24 is too old: the store needs 14 or newer"},
		{PostgreSQL("PostgreSQL 15.4 (EnterpriseDB Advanced Server 15.4.0) on x86_64", "15.4.0"), "PostgreSQL 15.4.0", none},
		{PostgreSQL("PostgreSQL 16.6 on aarch64-unknown-linux-gnu, compiled by gcc, aurora", "16.6"), "PostgreSQL 16.6", none},
		{PostgreSQL("CockroachDB CCL v23.2.4 (x86_64-pc-linux-gnu, built 2024/04/08, go1.21.5)", "13.0.0"), "CockroachDB 23.2.4", "CockroachDB 23.2.4 is another product, which no store was made for or tested on"},
		{PostgreSQL("PostgreSQL 11.2-YB-2.20.1.0-b0 on x86_64-pc-linux-gnu", "11.2-YB-2.20.1.0-b0"), "YugabyteDB 2.20.1.0", "YugabyteDB 2.20.1.0 is another product, which no store was made for or tested on"},
		{PostgreSQL("PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC, Redshift 1.0.54239", "8.0.2"), "Redshift 1.0.54239", "Redshift 1.0.54239 is another product, which no store was made for or tested on"},

		{MySQL("10.11.14-MariaDB-0+deb12u2", "Debian 12"), "MariaDB 10.11.14", none},
		{MySQL("10.6.0-MariaDB", "mariadb.org binary distribution"), "MariaDB 10.6.0", none},
		{MySQL("5.5.5-10.6.12-MariaDB-log", "MariaDB Server"), "MariaDB 10.6.12", none},
		{MySQL("5.5.5-10.5.29-MariaDB", "MariaDB Server"), "MariaDB 10.5.29", "MariaDB 10.5.29 is too old: the store needs 10.6 or newer"},
		{MySQL("10.5.29-MariaDB-1:10.5.29+maria~ubu2004", "mariadb.org binary distribution"), "MariaDB 10.5.29", "MariaDB 10.5.29 is too old: the store needs 10.6 or newer"},
		{MySQL("11.8.3-MariaDB-log", "MariaDB Server"), "MariaDB 11.8.3", none},
		{MySQL("8.0.16", "MySQL Community Server - GPL"), "MySQL 8.0.16", none},
		{MySQL("8.0.15-debug", "MySQL Community Server - GPL - Debug"), "MySQL 8.0.15", "MySQL 8.0.15 is too old: the store needs 8.0.16 or newer"},
		{MySQL("5.7.44-log", "MySQL Community Server (GPL)"), "MySQL 5.7.44", "MySQL 5.7.44 is too old: the store needs 8.0.16 or newer"},
		{MySQL("9.7.4-2", "(Debian)"), "MySQL 9.7.4", none},
		{MySQL("8.0.35-27", "Percona Server (GPL), Release 27, Revision 2f8eeab"), "MySQL 8.0.35", none},
		{MySQL("5.7.44-48-log", "Percona Server (GPL), Release 48, Revision 497f936a373"), "MySQL 5.7.44", "MySQL 5.7.44 is too old: the store needs 8.0.16 or newer"},
		{MySQL("8.0.31-google", "(Google)"), "MySQL 8.0.31", none},
		{MySQL("8.0.mysql_aurora.3.05.2", "Source distribution"), "MySQL 8.0", none},
		{MySQL("5.7.mysql_aurora.2.11.2", "MySQL Community Server (GPL)"), "MySQL 5.7", "MySQL 5.7 is too old: the store needs 8.0.16 or newer"},
		{MySQL("8.0.11-TiDB-v7.5.0", "TiDB Server (Apache License 2.0) Community Edition, MySQL 8.0 compatible"), "TiDB 7.5.0", "TiDB 7.5.0 is another product, which no store was made for or tested on"},
		{MySQL("8.0.30-Vitess", "Version: 19.0.4 (Git revision )"), "Vitess 19.0.4", "Vitess 19.0.4 is another product, which no store was made for or tested on"},
		{MySQL("5.7.25-OceanBase-v4.2.1.2", "OceanBase_CE 4.2.1.2"), "OceanBase 4.2.1.2", "OceanBase 4.2.1.2 is another product, which no store was made for or tested on"},
		{MySQL("8.0.11", "(ProxySQL)"), "MySQL behind ProxySQL", none},
		{MySQL("devel", ""), "MySQL", none},

		{SQLite("3.42.0"), "SQLite 3.42.0", none},
		{SQLite("3.53.2"), "SQLite 3.53.2", none},
		{SQLite("3.41.2"), "SQLite 3.41.2", "SQLite 3.41.2 is too old: the store needs 3.42 or newer"},
	} {
		if got, problem := test.server.String(), test.server.Problem(); got != test.want || problem != test.problem {
			t.Errorf("got %q with problem %q, want %q with %q", got, problem, test.want, test.problem)
		}
	}
}
