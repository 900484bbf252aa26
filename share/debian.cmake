# By cpack, before it packs what it has staged: what Debian's policy wants of a package (12.1, 12.5, 12.7).
set(usr ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr)
set(doc ${usr}/share/doc/snaptrace)
file(MAKE_DIRECTORY ${doc} ${usr}/share/lintian/overrides)

file(READ ${CPACK_SNAPTRACE_SOURCE}/LICENSE license)
string(REGEX REPLACE "\n\n" "\n.\n" license "${license}")
string(REGEX REPLACE "\n([^\n])" "\n \\1" license "${license}")
file(WRITE ${doc}/copyright "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: snaptrace

Files: *
Copyright: 2026 the snaptrace authors
License: Expat

License: Expat
 ${license}")
configure_file(${CPACK_SNAPTRACE_SOURCE}/NEWS.md ${doc}/NEWS COPYONLY)
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC) # or that of SOURCE_DATE_EPOCH
file(WRITE ${doc}/changelog "snaptrace (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium

  * What is new in each version: NEWS.gz.

 -- ${CPACK_PACKAGE_CONTACT}  ${now}
")

# It was configured for another prefix, perhaps.
file(READ ${usr}/share/snaptrace/binfmt.conf binfmt)
string(REGEX REPLACE "::[^:]*/snaprun:" "::/usr/bin/snaprun:" binfmt "${binfmt}")
file(WRITE ${usr}/share/snaptrace/binfmt.conf "${binfmt}")
file(WRITE ${usr}/share/lintian/overrides/snaptrace
"# The loader becomes another program, whose libraries would be in its way: it has none.
snaptrace: statically-linked-binary [usr/bin/snaprun]
# What every program gets must need no library, not even libc.
snaptrace: shared-library-lacks-prerequisites [usr/lib/snaptrace/libsnappreload.so]
# cpack calls ldconfig for whatever lies in lib/*; it does nothing there.
snaptrace: maintscript-calls-ldconfig *
")

file(GLOB manuals ${usr}/share/man/man*/*)
foreach(file IN LISTS manuals ITEMS ${doc}/changelog ${doc}/NEWS)
  execute_process(COMMAND gzip -9nf ${file} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "gzip ${file}: ${failed}")
  endif()
endforeach()

# Debian's zsh looks there.
file(RENAME ${usr}/share/zsh/site-functions ${usr}/share/zsh/vendor-completions)

# Umasks differ; a package's files don't.
execute_process(COMMAND chmod -R u=rwX,go=rX ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr)
