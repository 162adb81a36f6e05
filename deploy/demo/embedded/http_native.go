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

// nativeBuffer is at least what the protocol's reader wants to buffer: then it shares this buffer,
// and the end of the blocks can be seen by peeking.
const nativeBuffer = 256 << 10

// recodeNative copies blocks of the Native format and writes them as the given revision of the
// native protocol has them. The engine writes revision 0 only, clients that send
// client_protocol_version read theirs.
func recodeNative(to io.Writer, from io.Reader, revision uint64) (err error) {
	defer func() { // the columns' code is the client's, made for what a server sends
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
