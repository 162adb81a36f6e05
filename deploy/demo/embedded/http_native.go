package embedded

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// nativeBuffer is at least the buffer size that the protocol's reader wants. Then the reader uses
// this buffer instead of a second one, and peeking into it shows the end of the blocks.
const nativeBuffer = 256 << 10

// recodeNative copies blocks of the Native format and encodes them for the given revision of the
// native protocol. The engine writes revision 0 only; clients that send client_protocol_version
// expect their own revision.
func recodeNative(to io.Writer, from io.Reader, revision uint64) (err error) {
	// clickhouse-go decodes the columns. It expects what a server sends, and may panic at other
	// input.
	defer func() {
		if p := recover(); p != nil {
			err = newException(codeUnknownType,
				fmt.Sprintf("the embedded engine cannot send this result in the Native format: %v", p))
		}
	}()
	buffered := bufio.NewReaderSize(from, nativeBuffer)
	reader := chproto.NewReader(buffered)
	server := &column.ServerContext{Revision: revision, Timezone: time.UTC}
	var buffer chproto.Buffer
	for {
		if _, err := buffered.Peek(1); errors.Is(err, io.EOF) {
			return nil
		}
		block := proto.Block{ServerContext: server}
		if err := block.Decode(reader, 0); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return fmt.Errorf("the engine's answer broke off: %w", err)
			}
			return newException(codeUnknownType,
				fmt.Sprintf("the embedded engine cannot send this result in the Native format: %v", err))
		}
		buffer.Reset()
		if err := block.Encode(&buffer, revision); err != nil {
			return newException(codeUnknownType,
				fmt.Sprintf("the embedded engine cannot send this result in the Native format: %v", err))
		}
		if _, err := to.Write(buffer.Buf); err != nil {
			return err
		}
	}
}
