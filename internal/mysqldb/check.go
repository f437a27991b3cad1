package mysqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/sqlsessions/sessions/internal/myerr"
)

// What is asked of a connection before its first statement: words, as bytes, which no character
// set changes. The limit overrides sql_select_limit. Some proxies and other products know
// autocommit alone.
const (
	asked = `SELECT CAST(CONCAT_WS(' ', @@autocommit = 1, @@completion_type, @@character_set_client, @@character_set_connection,
	COALESCE(@@character_set_results, 'none'), FIND_IN_SET('EMPTY_STRING_IS_NULL', @@sql_mode) > 0,
	ABS(TIMESTAMPDIFF(SECOND, SYSDATE(), NOW())) > 60) AS BINARY)
LIMIT 1`
	leastAsked = `SELECT @@autocommit LIMIT 1`
)

// Check returns an error if a setting of a connection would change what statements mean, and
// no error would show it.
func Check(ctx context.Context, db *sql.DB) error {
	var text string
	err := db.QueryRowContext(ctx, asked).Scan(&text)
	if myerr.Number(err) != 0 {
		err = db.QueryRowContext(ctx, leastAsked).Scan(&text)
		text += " NO_CHAIN - - - 0 0" // what was not asked is as it should be
	}
	if errors.Is(err, sql.ErrNoRows) { // this must not pass for a session that is not there
		return errors.New("the server does not say whether autocommit is on")
	}
	if err != nil {
		return err
	}
	var committing, completion, client, connection, results, nulling, stopped string
	if _, err := fmt.Sscan(text, &committing, &completion, &client, &connection, &results, &nulling, &stopped); err != nil {
		return fmt.Errorf("the server says %.100q of its settings: %w", text, err)
	}
	const remove = "remove it from the DSN, or from the server's settings or init_connect"
	switch {
	case committing != "1": // what was saved would go with the connection, and it would always see the same old rows
		return errors.New("autocommit is off and nothing would ever be saved; remove autocommit=0 from the DSN, or from the server's settings or init_connect")
	case completion != "NO_CHAIN": // after any transaction, the application's too, it is as with autocommit off
		return fmt.Errorf("completion_type is %s and what is saved after a transaction may be lost; "+remove, completion)
	case client != connection: // the server would convert the bytes of IDs too
		return fmt.Errorf("collation_connection is of %s, and character_set_client is %s, so sessions would not be found; "+
			"add charset=utf8mb4 to the DSN", connection, client)
	case strings.HasPrefix(results, "ucs2"), strings.HasPrefix(results, "utf16"), strings.HasPrefix(results, "utf32"):
		return fmt.Errorf("character_set_results is %s, which the driver can't read; add charset=utf8mb4 to the DSN", results)
	case nulling != "0": // a comparison with "" finds nothing
		return errors.New("sql_mode has EMPTY_STRING_IS_NULL and sessions would not be found; " + remove)
	case stopped != "0":
		return errors.New("timestamp is set, so time stands still and no session would expire; " + remove)
	}
	return nil
}
