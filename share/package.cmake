# cpack -G DEB: a Debian package of what is installed. What only a package has is added by debian.cmake.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME snaptrace)
set(CPACK_PACKAGE_VENDOR "the snaptrace authors")
set(CPACK_PACKAGE_CONTACT "the snaptrace authors <snaptrace@example.org>")
if(DEFINED ENV{DEBEMAIL}) # as Debian's own tools have it (debchange(1))
  set(CPACK_PACKAGE_CONTACT "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
endif()
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "start programs from a snapshot, in the time of an exec")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Runs a program once up to a chosen point, keeps it there as one compressed
file, and starts it from that file from then on: any number of times, side
by side, by anyone, with new arguments. It needs no root, no daemon and no
kernel module.
.
snaptrace makes an image, snaprun starts it, and snapimg looks at images and
converts them.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# What is loaded when it is needed, under the names of Debian 13, 12 and 11.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libssl3t64 | libssl3 | libssl1.1")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libarchive13t64 | libarchive13")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "gdb, file")
set(CPACK_STRICT_PERMISSIONS ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/debian.cmake) # cmake 3.19; without it lintian has more to say
set(CPACK_SNAPTRACE_SOURCE ${PROJECT_SOURCE_DIR})
include(CPack)
