// A web server with timers, goroutines on several threads and garbage, before and after the point.
package main

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"time"
)

func main() {
	kept := make(map[int][]byte)
	for i := 0; i < 20000; i++ {
		kept[i%1000] = make([]byte, i)
	}
	asks, answers := make(chan string), make(chan string)
	go func() {
		runtime.LockOSThread()
		for path := range asks {
			time.Sleep(time.Millisecond)
			runtime.GC()
			answers <- fmt.Sprintf("go says %s %d", path, len(kept))
		}
	}()
	http.HandleFunc("/", func(writer http.ResponseWriter, request *http.Request) {
		asks <- request.URL.Path
		fmt.Fprint(writer, <-answers)
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
