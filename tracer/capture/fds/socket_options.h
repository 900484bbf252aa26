/* The options of sockets that an image keeps where they differ from a new socket's, and those that it
 * refuses. */
#ifndef TRACER_CAPTURE_FDS_SOCKET_OPTIONS_H
#define TRACER_CAPTURE_FDS_SOCKET_OPTIONS_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

/* X(level, option): those with a value that setsockopt(2) takes as getsockopt(2) gives it, in the order in
 * which they are set. A number stands where libraries of some years ago lack the name. */
#define SOCKET_OPTIONS(X)                                                                                    \
	X(SOL_SOCKET, SO_REUSEADDR)                                                                          \
	X(SOL_SOCKET, SO_REUSEPORT)                                                                          \
	X(SOL_SOCKET, SO_KEEPALIVE)                                                                          \
	X(SOL_SOCKET, SO_BROADCAST)                                                                          \
	X(SOL_SOCKET, SO_OOBINLINE)                                                                          \
	X(SOL_SOCKET, SO_DONTROUTE)                                                                          \
	X(SOL_SOCKET, SO_LINGER)                                                                             \
	X(SOL_SOCKET, SO_RCVLOWAT)                                                                           \
	X(SOL_SOCKET, SO_RCVTIMEO)                                                                           \
	X(SOL_SOCKET, SO_SNDTIMEO)                                                                           \
	X(SOL_SOCKET, SO_PRIORITY)                                                                           \
	X(SOL_SOCKET, SO_MARK)                                                                               \
	X(SOL_SOCKET, SO_PASSCRED)                                                                           \
	X(SOL_SOCKET, SO_PASSSEC)                                                                            \
	X(SOL_SOCKET, 76) /* SO_PASSPIDFD, Linux 6.5 */                                                      \
	X(SOL_SOCKET, SO_TIMESTAMP)                                                                          \
	X(SOL_SOCKET, SO_TIMESTAMPNS)                                                                        \
	X(SOL_SOCKET, 63) /* SO_TIMESTAMP_NEW */                                                             \
	X(SOL_SOCKET, 64) /* SO_TIMESTAMPNS_NEW */                                                           \
	X(SOL_SOCKET, SO_TIMESTAMPING)                                                                       \
	X(SOL_SOCKET, SO_SELECT_ERR_QUEUE)                                                                   \
	X(SOL_SOCKET, SO_RXQ_OVFL)                                                                           \
	X(SOL_SOCKET, SO_PEEK_OFF)                                                                           \
	X(SOL_SOCKET, SO_NO_CHECK)                                                                           \
	X(SOL_SOCKET, SO_NOFCS)                                                                              \
	X(SOL_SOCKET, SO_LOCK_FILTER)                                                                        \
	X(SOL_SOCKET, SO_MAX_PACING_RATE)                                                                    \
	X(SOL_SOCKET, 61) /* SO_TXTIME */                                                                    \
	X(SOL_SOCKET, SO_BINDTODEVICE)                                                                       \
	X(SOL_SOCKET, SO_BUSY_POLL)                                                                          \
	X(SOL_SOCKET, 69) /* SO_PREFER_BUSY_POLL, Linux 5.11 */                                              \
	X(SOL_SOCKET, 70) /* SO_BUSY_POLL_BUDGET, Linux 5.11 */                                              \
	X(SOL_SOCKET, 74) /* SO_TXREHASH, Linux 5.19 */                                                      \
	X(SOL_SOCKET, 75) /* SO_RCVMARK, Linux 6.0 */                                                        \
	X(SOL_SOCKET, SO_ZEROCOPY)                                                                           \
	X(SOL_SOCKET, SO_SNDBUF)                                                                             \
	X(SOL_SOCKET, SO_RCVBUF)                                                                             \
	X(IPPROTO_IPV6, IPV6_V6ONLY)                                                                         \
	X(IPPROTO_IPV6, IPV6_UNICAST_HOPS)                                                                   \
	X(IPPROTO_IPV6, IPV6_MULTICAST_HOPS)                                                                 \
	X(IPPROTO_IPV6, IPV6_MULTICAST_LOOP)                                                                 \
	X(IPPROTO_IPV6, 29) /* IPV6_MULTICAST_ALL */                                                         \
	X(IPPROTO_IPV6, IPV6_TCLASS)                                                                         \
	X(IPPROTO_IPV6, IPV6_RECVPKTINFO)                                                                    \
	X(IPPROTO_IPV6, IPV6_RECVHOPLIMIT)                                                                   \
	X(IPPROTO_IPV6, IPV6_RECVHOPOPTS)                                                                    \
	X(IPPROTO_IPV6, IPV6_RECVRTHDR)                                                                      \
	X(IPPROTO_IPV6, IPV6_RECVDSTOPTS)                                                                    \
	X(IPPROTO_IPV6, IPV6_RECVTCLASS)                                                                     \
	X(IPPROTO_IPV6, IPV6_RECVPATHMTU)                                                                    \
	X(IPPROTO_IPV6, IPV6_RECVERR)                                                                        \
	X(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR)                                                                \
	X(IPPROTO_IPV6, IPV6_RECVFRAGSIZE)                                                                   \
	X(IPPROTO_IPV6, IPV6_MTU_DISCOVER)                                                                   \
	X(IPPROTO_IPV6, IPV6_DONTFRAG)                                                                       \
	X(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL)                                                                  \
	X(IPPROTO_IPV6, 33) /* IPV6_FLOWINFO_SEND */                                                         \
	X(IPPROTO_IPV6, IPV6_ADDR_PREFERENCES)                                                               \
	X(IPPROTO_IPV6, IPV6_MINHOPCOUNT)                                                                    \
	X(IPPROTO_IPV6, IPV6_TRANSPARENT)                                                                    \
	X(IPPROTO_IPV6, IPV6_FREEBIND)                                                                       \
	X(IPPROTO_IP, IP_TOS)                                                                                \
	X(IPPROTO_IP, IP_TTL)                                                                                \
	X(IPPROTO_IP, IP_MINTTL)                                                                             \
	X(IPPROTO_IP, IP_PKTINFO)                                                                            \
	X(IPPROTO_IP, IP_RECVTOS)                                                                            \
	X(IPPROTO_IP, IP_RECVTTL)                                                                            \
	X(IPPROTO_IP, IP_RECVOPTS)                                                                           \
	X(IPPROTO_IP, IP_RETOPTS)                                                                            \
	X(IPPROTO_IP, IP_RECVERR)                                                                            \
	X(IPPROTO_IP, IP_RECVORIGDSTADDR)                                                                    \
	X(IPPROTO_IP, IP_RECVFRAGSIZE)                                                                       \
	X(IPPROTO_IP, IP_PASSSEC)                                                                            \
	X(IPPROTO_IP, IP_CHECKSUM)                                                                           \
	X(IPPROTO_IP, IP_MTU_DISCOVER)                                                                       \
	X(IPPROTO_IP, IP_FREEBIND)                                                                           \
	X(IPPROTO_IP, IP_TRANSPARENT)                                                                        \
	X(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT)                                                               \
	X(IPPROTO_IP, 51) /* IP_LOCAL_PORT_RANGE, Linux 6.3 */                                               \
	X(IPPROTO_IP, IP_MULTICAST_TTL)                                                                      \
	X(IPPROTO_IP, IP_MULTICAST_LOOP)                                                                     \
	X(IPPROTO_IP, IP_MULTICAST_ALL)                                                                      \
	X(IPPROTO_IP, IP_MULTICAST_IF) /* the address; an interface without one can't be known */            \
	X(IPPROTO_TCP, TCP_NODELAY)                                                                          \
	X(IPPROTO_TCP, TCP_CORK)                                                                             \
	X(IPPROTO_TCP, TCP_MAXSEG)                                                                           \
	X(IPPROTO_TCP, TCP_WINDOW_CLAMP)                                                                     \
	X(IPPROTO_TCP, TCP_KEEPIDLE)                                                                         \
	X(IPPROTO_TCP, TCP_KEEPINTVL)                                                                        \
	X(IPPROTO_TCP, TCP_KEEPCNT)                                                                          \
	X(IPPROTO_TCP, TCP_SYNCNT)                                                                           \
	X(IPPROTO_TCP, TCP_LINGER2)                                                                          \
	X(IPPROTO_TCP, TCP_DEFER_ACCEPT)                                                                     \
	X(IPPROTO_TCP, TCP_USER_TIMEOUT)                                                                     \
	X(IPPROTO_TCP, TCP_NOTSENT_LOWAT)                                                                    \
	X(IPPROTO_TCP, TCP_SAVE_SYN)                                                                         \
	X(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS)                                                             \
	X(IPPROTO_TCP, TCP_FASTOPEN)                                                                         \
	X(IPPROTO_TCP, 30) /* TCP_FASTOPEN_CONNECT */                                                        \
	X(IPPROTO_TCP, 33) /* TCP_FASTOPEN_KEY */                                                            \
	X(IPPROTO_TCP, 34) /* TCP_FASTOPEN_NO_COOKIE */                                                      \
	X(IPPROTO_TCP, 36) /* TCP_INQ */                                                                     \
	X(IPPROTO_TCP, 37) /* TCP_TX_DELAY */                                                                \
	X(IPPROTO_TCP, 44) /* TCP_RTO_MAX_MS, Linux 6.15 */                                                  \
	X(IPPROTO_TCP, 45) /* TCP_RTO_MIN_US, Linux 6.17 */                                                  \
	X(IPPROTO_TCP, 46) /* TCP_DELACK_MAX_US, Linux 6.17 */                                               \
	X(IPPROTO_TCP, TCP_QUICKACK)                                                                         \
	X(IPPROTO_TCP, TCP_CONGESTION)                                                                       \
	X(IPPROTO_UDP, UDP_CORK)                                                                             \
	X(IPPROTO_UDP, UDP_NO_CHECK6_TX)                                                                     \
	X(IPPROTO_UDP, UDP_NO_CHECK6_RX)                                                                     \
	X(IPPROTO_UDP, UDP_SEGMENT)                                                                          \
	X(IPPROTO_UDP, UDP_GRO)                                                                              \
	X(IPPROTO_UDPLITE, 10 /* UDPLITE_SEND_CSCOV */)                                                      \
	X(IPPROTO_UDPLITE, 11 /* UDPLITE_RECV_CSCOV */)                                                      \
	X(SOL_NETLINK, 3 /* NETLINK_PKTINFO */)                                                              \
	X(SOL_NETLINK, 4 /* NETLINK_BROADCAST_ERROR */)                                                      \
	X(SOL_NETLINK, 5 /* NETLINK_NO_ENOBUFS */)                                                           \
	X(SOL_NETLINK, 8 /* NETLINK_LISTEN_ALL_NSID */)                                                      \
	X(SOL_NETLINK, 10 /* NETLINK_CAP_ACK */)                                                             \
	X(SOL_NETLINK, 11 /* NETLINK_EXT_ACK */)                                                             \
	X(SOL_NETLINK, 12 /* NETLINK_GET_STRICT_CHK */)

/* X(level, option, text): those that can be seen and not be set again as they are */
#define REFUSED_OPTIONS(X)                                                                                   \
	X(IPPROTO_IP, IP_UNICAST_IF, "IP_UNICAST_IF")                                                        \
	X(IPPROTO_IPV6, IPV6_UNICAST_IF, "IPV6_UNICAST_IF")                                                  \
	X(IPPROTO_IPV6, IPV6_HOPOPTS, "IPV6_HOPOPTS")                                                        \
	X(IPPROTO_IPV6, IPV6_RTHDR, "IPV6_RTHDR")                                                            \
	X(IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, "IPV6_RTHDRDSTOPTS")                                              \
	X(IPPROTO_IPV6, IPV6_DSTOPTS, "IPV6_DSTOPTS")                                                        \
	X(IPPROTO_TCP, TCP_ULP, "TCP_ULP")                                                                   \
	X(IPPROTO_TCP, TCP_REPAIR, "TCP_REPAIR")                                                             \
	X(IPPROTO_UDP, UDP_ENCAP, "UDP_ENCAP")

/* X(level, option): those that are looked for in other ways, change when they are read, or tell of the
 * connection or the path, not of a setting */
#define PASSED_OPTIONS(X)                                                                                    \
	X(SOL_SOCKET, SO_ERROR)                                                                              \
	X(SOL_SOCKET, SO_ATTACH_FILTER)                                                                      \
	X(SOL_SOCKET, SO_ATTACH_BPF)                                                                         \
	X(SOL_SOCKET, 62) /* SO_BINDTOIFINDEX, Linux 5.1: what SO_BINDTODEVICE sets, once */                 \
	X(SOL_SOCKET, 72) /* SO_BUF_LOCK, Linux 5.14: take_buffer_locks() */                                 \
	X(SOL_SOCKET, 77) /* SO_PEERPIDFD, Linux 6.5: opens a descriptor */                                  \
	X(IPPROTO_IP, IP_MTU)                                                                                \
	X(IPPROTO_IP, IP_MSFILTER)                                                                           \
	X(IPPROTO_IP, MCAST_MSFILTER)                                                                        \
	X(IPPROTO_IPV6, IPV6_2292PKTOPTIONS)                                                                 \
	X(IPPROTO_IPV6, IPV6_MTU)                                                                            \
	X(IPPROTO_IPV6, IPV6_PATHMTU)                                                                        \
	X(IPPROTO_IPV6, IPV6_MULTICAST_IF) /* fds/multicast.c */                                             \
	X(IPPROTO_IPV6, MCAST_MSFILTER)
enum { OPTIONS_END = 128 }; /* all below are looked at, whether a table names them or not */

#endif
