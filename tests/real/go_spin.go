// A goroutine in a loop without a call: the collector can stop it by a signal to its thread only, whose ID it has kept.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

var count, started int64

//go:noinline
func spin() {
	atomic.StoreInt64(&started, 1)
	for {
		count++
	}
}

func main() {
	runtime.GOMAXPROCS(4)
	go spin()
	for atomic.LoadInt64(&started) == 0 {
		time.Sleep(time.Millisecond)
	}
	os.Stat("/snap/here")
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
	fmt.Println("right")
}
