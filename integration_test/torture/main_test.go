package torture_test

import (
	"flag"
	"io"
	"log"
	"strconv"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlsessions/sessions/integration_test/testbed"
)

var (
	duration  = flag.Duration("torture.d", 20*time.Second, "how long each database is tortured")
	startSeed = flag.Uint64("torture.seed", 0, "the seed of the first round; 0 for a random one")
)

func TestMain(m *testing.M) {
	_ = mysql.SetLogger(log.New(io.Discard, "", 0)) // the driver tells of each connection that fails
	testbed.Main(m)
}

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }
