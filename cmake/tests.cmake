# add_unit_test(market/price LIBS market) builds tests/unit/market/test_price.c and runs it under ctest
# as unit.market.price.
function(add_unit_test name)
  cmake_parse_arguments(T "" "" "LIBS;SOURCES" ${ARGN})
  get_filename_component(folder ${name} DIRECTORY)
  get_filename_component(module ${name} NAME)
  string(REPLACE "/" "." dotted ${name})
  set(target test_${folder}_${module})
  string(REPLACE "/" "_" target ${target})
  add_executable(${target} ${CMAKE_SOURCE_DIR}/tests/unit/${folder}/test_${module}.c ${T_SOURCES})
  target_link_libraries(${target} PRIVATE ${T_LIBS} PkgConfig::CMOCKA)
  add_test(NAME unit.${dotted} COMMAND ${target} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(unit.${dotted} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()
