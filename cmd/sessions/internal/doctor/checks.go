package doctor

// A Check looks at one thing that the sessions need.
type Check struct {
	Name    string // what --json prints, unless a finding has a name of its own
	Engines engines
	Needs   needs
	Run     func(*Conn) []Finding // its findings do not count if a query failed: see Conn
}

// checks are all checks, in the order in which they run and are reported. To add one,
// write its function and add its line.
var checks = []Check{
	{"server", all, aConnection, checkServer},
	{"primary", postgres, aConnection, postgresPrimary},
	{"primary", mysql, aConnection, mysqlPrimary},
	{"writable", sqlite, aConnection, sqliteWritable},
	{"clock", servers, aConnection, checkClock},
	{"isolation", servers, aConnection, checkIsolation},
	{"galera", mysql, aConnection, mysqlGalera},
	{"settings", postgres, aConnection, postgresSettings},
	{"settings", mysql, aConnection, mysqlSettings},
	{"sql_mode", mysql, aConnection, mysqlMode},
	{"prepared", mysql, aConnection, mysqlPrepared},
	{"pooler", postgres, aConnection, postgresPooler},
	{"journal", sqlite, aConnection, sqliteJournal},
	{"columns", all, aConnection, checkColumns},
	{"schema", all, aConnection, checkSchema},
	{"layout", postgres, theTable, postgresLayout},
	{"indexes", all, theTable, checkIndexes},
	{"storage", postgres, theTable, postgresStorage},
	{"engine", mysql, theTable, mysqlEngine},
	{"grants", postgres, theTable, postgresGrants},
	{"grants", mysql, theTable, mysqlGrants},
	{"policies", postgres, theTable, postgresPolicies},
	{"triggers", postgres, theTable, postgresTriggers},
	{"width", postgres, theTable, postgresWidth},
	{"width", mysql, theTable, mysqlWidth},
	{"content", all, allColumns, checkContent},
}

// engines are the databases that a check is for.
type engines uint8

const (
	postgres engines = 1 << iota
	mysql            // and MariaDB
	sqlite
	servers = postgres | mysql
	all     = servers | sqlite
)

// needs say what a check requires. If it is missing, an earlier check has reported that.
type needs uint8

const (
	aConnection needs = iota
	theTable
	allColumns
)
