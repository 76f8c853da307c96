-- Orthanc as a router between a DICOMweb archive ("archive" in DicomWeb.Servers) and
-- `lgrseg dicom-listen` ("lgrseg" in DicomModalities), see docs/archive.md.
-- Ultrasound goes to the listener by C-STORE; its results go to the archive by STOW-RS.
function OnStoredInstance(id, tags, metadata)
  local modality = tags['Modality']
  if modality == 'US' then
    SendToModality(id, 'lgrseg')
  elseif modality == 'SEG' or modality == 'SR' then
    local sent = RestApiPost('/dicom-web/servers/archive/stow', '{"Resources": ["' .. id .. '"]}')
    if sent == nil then
      PrintRecursive('not sent to the archive: ' .. id)
    end
  end
end
